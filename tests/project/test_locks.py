"""The lock files have every dependency of pyproject.toml in an allowed version, the same in each file, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.support.paths import ROOT
from tests.support.processes import run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
VERSIONS = ROOT / "requirements.lock"
HASHED = {name: ROOT / "requirements" / f"{name}.lock" for name in ("server", "dev", "build")}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def lines_of(file: Path) -> list[str]:
    """Return the entries of a lock file, with continued lines joined."""
    return re.sub(r" \\\n +", " ", file.read_text(encoding="utf-8")).splitlines()


def locked(file: Path) -> dict[str, list[Requirement]]:
    """Return the pinned packages of a lock file by name: several if the version depends on Python."""
    found: dict[str, list[Requirement]] = {}
    for line in lines_of(file):
        pinned = Requirement(line.partition(" --hash")[0])
        found.setdefault(pinned.name, []).append(pinned)
    return found


def asked(extra: str) -> list[Requirement]:
    """Return the requirements of the project with an extra, those of extras that it includes too."""
    requirements = [Requirement(line) for line in EXTRAS[extra]]
    included = [one for entry in requirements if entry.name == "saccade-sampler" for one in entry.extras]
    others = [one for name in included for one in asked(name)]
    own = [one for one in requirements if one.name != "saccade-sampler"]
    return [*map(Requirement, PROJECT["project"]["dependencies"]), *own, *others]


def assert_pinned(requirements: list[Requirement], file: Path) -> None:
    pins = locked(file)
    for requirement in requirements:
        assert requirement.name.lower() in pins, f"{file.name} lacks {requirement.name}: run `make lock`"
        for pin in pins[requirement.name.lower()]:
            version = str(pin.specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"{file.name} has {pin}, pyproject.toml {requirement}"


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_is_locked_in_a_version_that_is_allowed(extra: str) -> None:
    assert_pinned(asked(extra), VERSIONS)
    if extra in HASHED:
        assert_pinned(asked(extra), HASHED[extra])


def test_what_builds_a_release_is_locked_too() -> None:
    tools = [Requirement(line) for line in PROJECT["dependency-groups"]["build"]]
    assert_pinned(tools, HASHED["build"])
    assert_pinned([Requirement(line) for line in PROJECT["build-system"]["requires"]], HASHED["dev"])
    assert_pinned([Requirement(line) for line in PROJECT["build-system"]["requires"]], HASHED["build"])


@pytest.mark.parametrize("name", HASHED)
def test_all_lock_files_have_the_same_versions(name: str) -> None:
    versions = {(pin.name, str(pin.specifier)) for pins in locked(VERSIONS).values() for pin in pins}
    found = {(pin.name, str(pin.specifier)) for pins in locked(HASHED[name]).values() for pin in pins}
    assert found - versions == set(), "run `make lock`"


@pytest.mark.parametrize("name", HASHED)
def test_every_package_that_is_installed_here_or_in_the_image_has_hashes(name: str) -> None:
    lines = lines_of(HASHED[name])
    assert len(lines) > 5
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.+]+( ; .+?)?( --hash=sha256:[0-9a-f]{64})+", line), line


@pytest.mark.parametrize("file", [VERSIONS, *HASHED.values()], ids=lambda file: file.name)
def test_lock_files_pin_versions_and_name_no_index(file: Path) -> None:
    assert "//" not in file.read_text(encoding="utf-8")
    for pins in locked(file).values():
        for pin in pins:
            assert [one.operator for one in pin.specifier] == ["=="]
            assert pin.marker is None or Marker(str(pin.marker))


def test_setup_installs_only_packages_with_hashes_and_then_the_project() -> None:
    plain = ("VENV=somewhere", "PYTHON=python3", "TORCH=", "RAY=", "BROWSER=")
    commands = run("make", "--dry-run", "--always-make", "setup", *plain).stdout
    installs = [line for line in commands.splitlines() if " install " in line]
    assert len(installs) == 2
    assert "--no-deps --require-hashes --requirement requirements/dev.lock" in installs[0]
    assert "--no-deps --no-build-isolation --editable ." in installs[1]


def test_an_audit_fails_if_a_package_could_not_be_looked_up() -> None:
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    assert "pip-audit --strict " in recipe[1], "without it, packages that are skipped count as audited"
    assert "--requirement requirements.lock" in recipe[1], "which has all packages, those with PyTorch too"
    assert "exit 1" in recipe[1]
