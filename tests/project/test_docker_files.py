"""The container files follow their rules and name only existing files. (Building them needs a Docker engine.)"""

import os
import re
import shlex
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # the package ships no types

from service.settings.server import PREFIX, Settings
from tests.support.paths import ROOT
from tests.support.processes import run

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions(text: str = DOCKERFILE) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile in order: name and arguments, with continued lines joined."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", plain)
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, its FROM included."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    return document


def test_copied_files_exist_and_are_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [
        source
        for name, arguments in instructions()
        if name == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert set(sources) == {
        "pyproject.toml", "requirements", "README.md", "LICENSE",
        "saccade_sampler", "sampler", "service", "client",
    }  # fmt: skip
    assert set(sources) == kept
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_only_packages_whose_hashes_are_locked_are_downloaded() -> None:
    assert "ADD" not in {name for name, _ in instructions()}
    commands = [one.strip() for name, arguments in instructions() if name == "RUN" for one in arguments.split("&&")]
    installs = [command for command in commands if re.search(r"pip\b.* (install|wheel)\b", command)]
    assert len(installs) == 4
    for command in installs:
        assert "--no-deps" in command
        assert "--require-hashes" in command or "--no-index" in command or "--no-build-isolation" in command
    assert "http" not in re.sub(r"https?://127\.0\.0\.1", "", DOCKERFILE)


def test_the_base_image_is_a_supported_slim_python_pinned_by_digest() -> None:
    [base] = [arguments.removeprefix("BASE=") for name, arguments in instructions() if name == "ARG"]
    assert [stage[0][1].split()[0] for stage in stages()] == ["${BASE}"] * 2
    found = re.fullmatch(r"python:(3\.\d+)-slim@sha256:[0-9a-f]{64}", base)
    assert found is not None
    assert f"Programming Language :: Python :: {found[1]}" in PROJECT["project"]["classifiers"]


def test_the_image_lists_its_packages_in_a_bill_of_materials() -> None:
    runs = [arguments for name, arguments in stages()[0] if name == "RUN"]
    [made] = [place for place, run in enumerate(runs) if "cyclonedx-py environment" in run]
    assert "/opt/venv/bin/python" in runs[made], "the environment that becomes part of the image"
    assert "--output-file /opt/venv/sbom.cdx.json" in runs[made]
    assert made == len(runs) - 1, "after everything is installed"


def test_the_final_stage_builds_nothing_and_has_a_fixed_user_id() -> None:
    final = stages()[-1]
    names = [name for name, _ in final]
    runs = " ".join(arguments for name, arguments in final if name == "RUN")
    assert not re.search(r"\b(pip|apt|apt-get|gcc|make|uv)\b", runs)
    assert ("USER", "10001:10001") in final
    assert "--uid 10001" in runs
    assert names.index("USER") < names.index("CMD")
    assert [arguments for name, arguments in final if name == "COPY"] == ["--from=build /opt/venv /opt/venv"]


def test_the_container_declares_start_port_health_check_and_stop() -> None:
    final = dict(stages()[-1])
    assert final["CMD"] == '["saccade-sampler", "serve", "--host", "0.0.0.0", "--port", "8000"]'
    assert final["EXPOSE"] == "8000"
    assert final["STOPSIGNAL"] == "SIGTERM"
    assert final["VOLUME"] == "/var/cache/saccade-sampler"
    assert final["HEALTHCHECK"].endswith('CMD ["python", "-m", "service.probe", "/healthz"]')


def test_the_image_itself_opens_no_server_to_other_hosts() -> None:
    assert "SAMPLER_OPEN" not in " ".join(arguments for _, arguments in instructions())


def test_every_setting_in_the_container_files_exists(compose: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(compose["services"]["sampler"]["environment"]) <= known | {"BIND"}
    assert set(re.findall(r"SAMPLER_[A-Z_]+", DOCKERFILE)) <= known


TOKEN = "correct-horse-battery"

CHECK = """#!/bin/sh
exec {python} -c "
import sys
from service.access.binding import require_protected
from service.settings.load import load_settings
require_protected(load_settings(), sys.argv[sys.argv.index('--host') + 1])
print('serves')
" "$@"
"""
"""A program in place of `saccade-sampler`: it checks its settings and its address as the command `serve` does."""


def interpolate(text: str, given: dict[str, str]) -> str:
    """Do what compose does with variables before it starts a container."""
    text = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda found: given.get(found[1], ""), text)
    text = re.sub(r"\$\{(\w+):\+([^}]*)\}", lambda found: found[2] if given.get(found[1]) else "", text)
    filled = re.sub(r"(?<!\$)\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)
    return filled.replace("$$", "$")


@pytest.mark.parametrize(
    ("given", "starts"),
    [
        ({}, True),
        ({"BIND": "127.0.0.1"}, True),
        ({"BIND": "[::1]"}, True),
        ({"BIND": "localhost"}, True),
        ({"BIND": "0.0.0.0"}, False),
        ({"BIND": "10.0.0.5"}, False),
        ({"BIND": "[::]"}, False),
        ({"BIND": "0.0.0.0", "SAMPLER_TOKEN": TOKEN}, True),
        ({"BIND": "0.0.0.0", "SAMPLER_OPEN": "1"}, True),
        ({"SAMPLER_TOKEN": TOKEN}, True),
    ],
    ids=str,
)
def test_a_container_whose_port_is_published_to_other_hosts_needs_a_token(
    given: dict[str, str], starts: bool, compose: dict[str, Any], tmp_path: Path
) -> None:
    program = tmp_path / "saccade-sampler"
    program.write_text(CHECK.format(python=shlex.quote(sys.executable)))
    program.chmod(0o755)
    service = compose["services"]["sampler"]
    assert service["ports"] == ["${BIND:-127.0.0.1}:${PORT:-8000}:8000"]
    variables = {
        name: interpolate(service["environment"][name], given) for name in ("BIND", "SAMPLER_TOKEN", "SAMPLER_OPEN")
    }
    command = [interpolate(part, given) for part in service["command"]]
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run(*command, variables=variables | {"PATH": path}, check=False)
    assert (done.stdout == "serves\n") == starts == (done.returncode == 0), done.stderr
    assert starts or "without a token; set SAMPLER_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("given", "allowed"), [("", ""), ("cpu1.example.org,*.example.net", "cpu1.example.org,*.example.net,sampler")]
)
def test_prometheus_and_the_bench_may_use_the_name_of_the_service(
    given: str, allowed: str, compose: dict[str, Any]
) -> None:
    variable = compose["services"]["sampler"]["environment"]["SAMPLER_ALLOWED_HOSTS"]
    assert interpolate(variable, {"SAMPLER_ALLOWED_HOSTS": given}) == allowed


def test_compose_builds_the_dockerfile_of_this_tree(compose: dict[str, Any]) -> None:
    build = compose["services"]["sampler"]["build"]
    context = (ROOT / "docker" / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).is_file()


def test_compose_mounts_the_dataset_read_only_and_has_a_cache_volume(compose: dict[str, Any]) -> None:
    service = compose["services"]["sampler"]
    assert service["volumes"] == ["${COCO:-no-dataset}:/coco:ro", "cache:/var/cache/saccade-sampler"]
    assert {"cache", "no-dataset", "prometheus"} == set(compose["volumes"])
    assert all(value.startswith("${COCO:+/coco/") for name, value in service["environment"].items() if "COCO" in value)


def test_compose_services_are_restricted_and_stop_in_time(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]
    grace = Settings.model_fields["grace_seconds"].default
    assert int(compose["services"]["sampler"]["stop_grace_period"].removesuffix("s")) > grace


def test_the_bench_waits_until_the_server_is_ready(compose: dict[str, Any]) -> None:
    bench = compose["services"]["bench"]
    assert bench["depends_on"] == {"sampler": {"condition": "service_healthy"}}
    assert bench["profiles"] == ["bench"]
    assert bench["command"][:5] == ["python", "-m", "client", "bench", "http://sampler:8000"]
    assert "/readyz" in compose["services"]["sampler"]["healthcheck"]["test"][-1]


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = [*PROJECT["project"]["dependencies"], *(name for extra in extras for name in extra)]
    unbounded = {requirement for requirement in asked if ">=" not in requirement}
    ours = {f"saccade-sampler[{extra}]" for extra in PROJECT["project"]["optional-dependencies"]}
    assert unbounded <= ours


def test_every_package_and_every_data_file_is_installed() -> None:
    tool = PROJECT["tool"]["setuptools"]
    folders = [ROOT / name for name in ("saccade_sampler", "sampler", "service", "client")]
    packages = {
        ".".join(file.parent.relative_to(ROOT).parts) for folder in folders for file in folder.rglob("__init__.py")
    }
    patterns = tool["packages"]["find"]["include"]
    assert not [name for name in packages if not any(fnmatch(name, pattern) for pattern in patterns)]
    installed = {
        file for name, globs in tool["package-data"].items() for glob in globs for file in (ROOT / name).glob(glob)
    }
    assert {file for folder in folders for file in data_files(folder)} <= installed


def data_files(folder: Path) -> list[Path]:
    """The files of a package that are not Python."""
    files = [file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    return [file for file in files if file.suffix != ".py"]
