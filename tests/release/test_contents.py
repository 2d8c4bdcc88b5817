"""Wheel and sdist have what they must, and nothing else. `make dist` also installs the wheel."""

import shutil
from pathlib import Path

import pytest

from tests.release import __main__ as program
from tests.release import installation
from tests.release.build import build, export, unpack
from tests.release.contents import PACKAGES, differences, faults_of_sdist, faults_of_wheel, sdist_files, wheel_files
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not in a git checkout"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("dist") / "source")


@pytest.fixture(scope="module")
def sdist(source: Path) -> Path:
    return build("build_sdist", source, source.parent / "dist")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    return build("build_wheel", unpack(sdist, sdist.parent / "unpacked"), sdist.parent)


def test_the_wheel_has_all_files_of_the_packages_and_no_others(wheel: Path, source: Path) -> None:
    files = wheel_files(wheel)
    assert list(faults_of_wheel(files, source)) == []
    assert {name.partition("/")[0] for name in files if ".dist-info" not in name} == set(PACKAGES)
    shell = {f"service/explorer/shell/{name}" for name in ("base.html", "style.css", "shell.js", "favicon.svg")}
    assert shell <= files.keys()


def test_the_sdist_builds_the_wheel_of_the_checkout(wheel: Path, sdist: Path, source: Path) -> None:
    files = wheel_files(wheel)
    assert list(faults_of_sdist(sdist_files(sdist), files)) == []
    assert differences(files, wheel_files(build("build_wheel", source, sdist.parent / "direct"))) == []


def test_a_faulty_wheel_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(program, "_install", lambda *_: pytest.fail("installed"))
    monkeypatch.setattr(program, "_build", lambda *_: (tmp_path, ["a fault"]))
    assert program.check(tmp_path, tmp_path) == ["a fault"]


def test_a_program_that_does_not_end_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "INSTALL_SECONDS", 0.0)
    monkeypatch.setattr(program, "_build", lambda *_: (tmp_path / "no.whl", []))
    (fault,) = program.check(tmp_path, tmp_path)
    assert "not done after 0 s" in fault


def test_faults_are_named(wheel: Path, sdist: Path, source: Path) -> None:
    files = wheel_files(wheel)
    info = next(name.partition("/")[0] for name in files if ".dist-info" in name)
    del files["service/explorer/shell/style.css"], files["client/py.typed"]
    files |= {"tests/test_a.py": b"", f"{info}/METADATA": b"Metadata-Version: 2.4\nName: x\nVersion: not one\n"}
    faults = "\n".join(faults_of_wheel(files, source))
    for part in ("style.css is missing", "client/py.typed", "tests/test_a.py does not belong", "metadata: "):
        assert part in faults
    packed = sdist_files(sdist)
    del packed["LICENSE"]
    assert list(faults_of_sdist(packed, wheel_files(wheel))) == ["LICENSE is missing in the sdist"]
