"""The installed packages are those that each extra needs."""

from saccade_sampler.doctor.finding import Finding
from saccade_sampler.doctor.packages import MARKS, Need, check_packages, check_version, installed_requirements, needs
from tests.project.test_locks import EXTRAS, PROJECT

REQUIREMENTS = [
    "numpy>=2.0", 'fastapi>=0.115; extra == "server"', 'uvicorn>=0.54; extra == "server"',
    'simplejpeg>=1.8; extra == "server"',
    'uvloop>=0.21; sys_platform != "win32" and extra == "server"', 'saccade-sampler[server]; extra == "ray"',
    'torch>=2.4; extra == "torch"', 'moto[server]>=5.1; extra == "dev"',
]  # fmt: skip


def findings(**installed: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_packages(needs(REQUIREMENTS), installed.get)}


def test_what_is_missing_or_too_old_is_named_with_the_command_that_installs_it() -> None:
    found = findings(numpy="1.26.4", fastapi="0.120.1", simplejpeg="1.9")
    assert found["packages"].status == "problem"
    assert found["packages"].found == "too old: numpy 1.26.4 (needs 2.0)"
    assert found["packages"].remedy == "pip install saccade-sampler"
    assert (found["extra server"].status, found["extra server"].found) == ("warning", "missing: uvicorn")
    assert "pip install 'saccade-sampler[server]'" in found["extra server"].remedy
    assert found["extra torch"].status == "skipped"
    assert findings()["packages"].found == "missing: numpy"


def test_newer_versions_of_any_form_are_fine() -> None:
    found = findings(numpy="2.0", fastapi="0.115", uvicorn="1", simplejpeg="1.8", torch="2.13.0+cpu")
    assert {finding.status for finding in found.values()} == {"ok"}
    assert found["extra torch"].found == "torch 2.13.0+cpu"
    assert findings(numpy="2.0", torch="2.4.0rc1")["extra torch"].status == "ok"


def test_packages_that_others_bring_are_no_half_installed_extra() -> None:
    assert findings(numpy="2.0", fastapi="0.115", uvicorn="1", torch="2.13")["extra server"].status == "skipped"


def test_the_mark_of_each_extra_is_one_of_its_packages() -> None:
    for extra, mark in MARKS.items():
        assert mark in {need.name for need in needs(EXTRAS[extra])}, extra


def test_every_requirement_of_the_project_is_understood() -> None:
    own = [need.name for need in needs(PROJECT["project"]["dependencies"])]
    assert len(own) == len(PROJECT["project"]["dependencies"])
    server = [line for line in EXTRAS["server"] if "platform" not in line and not line.startswith("saccade-sampler")]
    assert [need.bound for need in needs(server)].count("0") == 0
    installed = list(needs(installed_requirements()))
    assert not installed or Need("numpy", "2.0", "") in installed


def test_an_installation_of_another_version_is_a_warning() -> None:
    assert check_version("0.2.0", "0.2.0").status == "ok"
    assert check_version("0.1.0", "0.2.0").status == "warning"
    assert check_version(None, "0.2.0").status == "skipped"
