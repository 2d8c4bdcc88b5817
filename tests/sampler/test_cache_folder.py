"""The default cache folder, and one line for users who have none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sampler.cache_folder import default_cache_dir
from tests.support.coco_files import write_dataset
from tests.support.processes import environment, run_python
from tests.support.system_faults import UNKNOWN_USER

COMMAND = "\nimport sys\nfrom tests.support.commands import app\nsys.argv[0] = 'sampler'\napp()"
SERVER = "\nimport uvicorn\nuvicorn.main()"

HOMES = [{}, {"HOME": ""}, {"HOME": "relative"}, {"XDG_CACHE_HOME": "relative"}]
"""Variables of a user whose cache folder is unknown."""


def run_without_home(code: str, *arguments: object, variables: Mapping[str, object]) -> tuple[int, str]:
    """Run Python code as an unknown user without other variables; return exit status and output."""
    kept = {name: value for name, value in environment().items() if name not in ("HOME", "XDG_CACHE_HOME")}
    env = kept | {name: str(value) for name, value in variables.items()}
    done = run_python("-c", UNKNOWN_USER + code, *arguments, env=env, check=False)
    return done.returncode, done.stdout + done.stderr


def test_it_is_the_users_own() -> None:
    assert default_cache_dir().name == "saccade-sampler"
    assert default_cache_dir().is_absolute()


@pytest.mark.parametrize("home", HOMES, ids=str)
def test_a_command_of_a_user_without_a_home_folder_names_the_setting(home: dict[str, object], tmp_path: Path) -> None:
    annotations, _ = write_dataset(tmp_path)
    status, output = run_without_home(COMMAND, "index", "--annotations", annotations, variables=home)
    assert status == 2
    (line,) = output.splitlines()
    assert line.startswith("error: no cache folder: ")
    assert "set SAMPLER_CACHE_DIR" in line


@pytest.mark.parametrize("command", ["verify", "decode", "recipe"])
def test_so_does_every_command_that_needs_the_cache(command: str, tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    variables = {"SAMPLER_ANNOTATIONS": annotations, "SAMPLER_IMAGES": images}
    arguments = ["--index", "0"] if command == "recipe" else []
    status, output = run_without_home(COMMAND, command, *arguments, variables=variables)
    assert (status, output.count("\n")) == (2, 1), output
    assert "set SAMPLER_CACHE_DIR" in output


def test_the_server_of_a_user_without_a_home_folder_names_the_setting(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    variables = {"SAMPLER_ANNOTATIONS": annotations, "SAMPLER_IMAGES": images, "SAMPLER_WORKERS": 1}
    status, output = run_without_home(SERVER, "service.main:app", "--port", 0, variables=variables)
    assert status == 3
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if "cannot start: " in line]
    assert "set SAMPLER_CACHE_DIR" in line


def test_with_the_setting_no_home_folder_is_needed(tmp_path: Path) -> None:
    annotations, _ = write_dataset(tmp_path)
    variables = {"SAMPLER_CACHE_DIR": tmp_path / "cache"}
    status, output = run_without_home(COMMAND, "index", "--annotations", annotations, variables=variables)
    assert status == 0, output
    assert (tmp_path / "cache" / "indexes").is_dir()


def test_a_command_that_needs_no_cache_needs_no_home_folder(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    settings = {"SAMPLER_CACHE_DIR": tmp_path / "cache", "SAMPLER_ANNOTATIONS": annotations}
    status, recipe = run_without_home(COMMAND, "recipe", "--index", "0", variables=settings)
    assert status == 0
    cases = tmp_path / "cases.json"
    cases.write_text(recipe)
    arguments = ["replay", cases, "--images", images, "--out", tmp_path / "out"]
    status, output = run_without_home(COMMAND, *arguments, variables={})
    assert status == 0, output
    assert list((tmp_path / "out").glob("*.npz"))
