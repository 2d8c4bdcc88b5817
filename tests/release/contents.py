"""What is in wheel and sdist, and what must not be."""

import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

from packaging.metadata import Metadata

from sampler.version import VERSION

PACKAGES = ("saccade_sampler", "sampler", "service", "client")


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Return the files in a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_files(sdist: Path) -> dict[str, bytes]:
    """Return the files in an sdist by name, without the folder that holds all of them."""
    found: dict[str, bytes] = {}
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                found["/".join(PurePosixPath(member.name).parts[1:])] = stream.read()
    return found


def faults_of_wheel(files: Mapping[str, bytes], source: Path) -> Iterator[str]:
    """Yield what is wrong with a wheel. source: the project that it was built from."""
    wanted = {path.relative_to(source).as_posix() for name in PACKAGES for path in _files(source / name)}
    info = f"saccade_sampler-{VERSION}.dist-info/"
    found = {name for name in files if not name.startswith(info)}
    for name in sorted(wanted - found):
        yield f"{name} is missing; if it is no module, add it to [tool.setuptools.package-data] in pyproject.toml"
    for name in sorted(found - wanted):
        yield f"{name} does not belong in the wheel"
    for package in PACKAGES:
        if f"{package}/py.typed" not in found:
            yield f"{package}/py.typed is missing: type checkers would ignore the package"
    if f"{info}METADATA" not in files:
        yield f"{info}METADATA is missing: the wheel has another version than sampler/version.py"
        return
    if f"{info}licenses/LICENSE" not in files:
        yield "LICENSE is missing"
    yield from _faults_of_metadata(files[f"{info}METADATA"])
    yield from _faults_of_scripts(files.get(f"{info}entry_points.txt", b"").decode(), source)


def faults_of_sdist(files: Mapping[str, bytes], wheel: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with an sdist. wheel: the files of the wheel of the same release."""
    needed = {name for name in wheel if ".dist-info/" not in name} | {"pyproject.toml", "README.md", "LICENSE"}
    for name in sorted(needed - set(files)):
        yield f"{name} is missing in the sdist"
    yield from _faults_of_metadata(files.get("PKG-INFO", b""))


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that two wheels do not have with the same content."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _faults_of_metadata(content: bytes) -> Iterator[str]:
    """Yield what a package index would refuse, and a description that is not the README."""
    try:
        metadata = Metadata.from_email(content, validate=True)
    except ExceptionGroup as group:
        yield from (f"metadata: {error}" for error in group.exceptions)
        return
    if str(metadata.version) != VERSION:
        yield f"metadata: version {metadata.version}, but sampler/version.py has {VERSION}"
    if metadata.description_content_type != "text/markdown" or not metadata.description:
        yield "metadata: the description is not README.md as text/markdown"
    if BytesParser().parsebytes(content)["License-Expression"] != "Apache-2.0":
        yield "metadata: the licence is not Apache-2.0"


def _faults_of_scripts(entry_points: str, source: Path) -> Iterator[str]:
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, target in project["scripts"].items():
        if f"{name} = {target}" not in entry_points:
            yield f"the script {name} is missing"
