"""What the README says is so: its code runs, its commands exist, its tables are those of the program."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from service.errors.problems import TITLES
from service.routes import batches, debug, status
from service.settings import PREFIX, Settings
from tests.support.live_server import LiveServer
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
HOST = "http://cpu-host:8000"

COMPUTED = {"workers": "one per processor", "cache_dir": "the user's cache folder"}
"""Defaults that depend on the machine."""


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def section(name: str) -> str:
    """What stands between the comments <!-- name --> and <!-- /name -->."""
    found = re.search(rf"<!-- {name} -->(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found is not None, f"README.md has no part {name}"
    return found[1]


def rows(name: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = [line for line in section(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def shell_lines(program: str) -> list[str]:
    """The commands of a program in the shell blocks, without comments."""
    lines = [line.partition("  #")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith(program)]


def runnable(code: str, server: LiveServer) -> str:
    """The code with the server's address, few steps, and no need of a GPU."""
    return code.replace(HOST, server.url).replace("500_000", "9_502").replace('"cuda"', '"cpu"')


def training_node(code: str, server: LiveServer) -> int:
    """Run a block as it stands; return how often it called `train_step`."""
    calls: list[tuple[object, object]] = []
    names = {"__name__": "readme", "train_step": lambda xs, ys: calls.append((xs, ys))}
    exec(compile(runnable(code, server), "README.md", "exec"), names)
    return len(calls)


@pytest.mark.parametrize("code", [code for code in blocks("python") if ".torch(" not in code])
def test_the_python_of_the_readme_runs_against_a_server(code: str, server: LiveServer) -> None:
    training_node(code, server)


@pytest.mark.parametrize("code", [code for code in blocks("python") if ".torch(" in code])
def test_the_training_loop_of_the_readme_runs_with_pytorch(code: str, server: LiveServer) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed: make test TORCH=1")
    assert training_node(code, server) == 2


@pytest.mark.parametrize("code", [code for code in blocks("python") if ".torch(" in code])
def test_the_training_loop_of_the_readme_runs_with_numpy(code: str, server: LiveServer) -> None:
    assert training_node(code.replace('batch.torch("cuda")', "batch"), server) == 2


def test_the_commands_of_the_readme_do_what_it_says(
    server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    set_here = {"ANNOTATIONS": annotations, "IMAGES": images, "CACHE_DIR": cache_dir}
    environment = os.environ | {f"{PREFIX}{name}": str(value) for name, value in set_here.items()}
    commands = [line for line in shell_lines("python -m") if "uvicorn" not in line]
    assert [line.split()[3] for line in commands] == ["index", "verify", "fetch", "bench", "recipe", "replay"]
    for line in commands:
        here = line.replace(HOST, server.url).replace("/data/coco/train2017", shlex.quote(str(images)))
        here = here.replace("--seconds 10", "--seconds 0.5").replace("python", shlex.quote(sys.executable), 1)
        done = subprocess.run(here, shell=True, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, check=False,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "batch.npz").is_file()
    assert len(list((tmp_path / "step-9500").glob("*.npz"))) == 48


def test_the_picture_of_the_readme_is_what_its_curl_fetches(server: LiveServer) -> None:
    [line] = shell_lines("curl")
    url = shlex.split(line)[-1]
    answer = httpx.get(url.replace(HOST, server.url).replace("/197.png", "/10.png"), timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_every_make_command_of_the_readme_exists() -> None:
    asked = {line.split()[1] for line in shell_lines("make ")} | set(re.findall(r"`make ([a-z]+)", README))
    targets = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    assert {"demo", "test", "serve", "lock", "setup"} <= asked <= targets


def test_make_alone_lists_every_command() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE):
        assert f"\n  {target} " in listed


def test_every_file_that_the_readme_points_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    files = [target for target in targets if "://" not in target]
    assert {"README.png", "LICENSE", "CHANGELOG.md"} <= set(files)
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_the_picture_of_the_readme_is_small_enough_to_load_quickly() -> None:
    assert (ROOT / "README.png").stat().st_size < 600_000


def settings_rows() -> list[list[str]]:
    """The settings table as it has to be."""
    table = []
    for name, field in Settings.model_fields.items():
        default = "–" if field.default is None else f"`{str(field.default).lower()}`"
        table.append([f"`{PREFIX}{name.upper()}`", COMPUTED.get(name, default), field.description or ""])
    return table


def test_the_settings_table_is_that_of_the_server() -> None:
    assert rows("settings") == settings_rows()


def test_the_problem_table_is_that_of_the_server() -> None:
    assert rows("problems") == [[f"`{kind}`", str(code), title] for kind, (code, title) in TITLES.items()]


def test_the_endpoint_table_is_that_of_the_server() -> None:
    routes = [route for part in (batches, debug, status) for route in part.router.routes if isinstance(route, APIRoute)]
    served = {
        f"`{method} {route.path}`" for route in routes if route.include_in_schema for method in route.methods or ()
    }
    assert {row[0] for row in rows("endpoints")} == served


def test_the_metrics_of_the_readme_are_those_of_the_server(server: LiveServer) -> None:
    served = re.findall(r"^# TYPE (sampler_\w+) ", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    named = re.findall(r"`(sampler_\w+)`", section("metrics"))
    assert set(named) == {name for name in served if not name.endswith("_created")}
