"""The command `index`, and what all commands share."""

import json
import subprocess
from pathlib import Path

import pytest

from sampler.dataset.dataset import open_dataset
from tests.support.coco_files import small_coco, write_dataset, write_faulty_dataset
from tests.support.processes import run_python


def command(*arguments: object, **settings: str) -> "subprocess.CompletedProcess[str]":
    """`python -m sampler`, as a process."""
    return run_python("-m", "sampler", *arguments, variables=settings, check=False)


def test_index_shows_what_an_annotation_file_holds(tmp_path: Path) -> None:
    annotations, images = write_faulty_dataset(tmp_path)
    done = command("index", "--annotations", annotations, "--images", images, "--cache-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {name.strip(): value.strip() for _, name, value, _ in table(done.stdout)}
    assert (rows["images"], rows["boxes"], rows["dropped boxes"]) == ("5", "7", "2")
    assert (rows["images without boxes"], rows["boxes of unlisted images"]) == ("4", "0")
    assert (rows["not finite"], rows["no width or no height"]) == ("1", "1")
    assert rows["digest"] == open_dataset(annotations, images, tmp_path).digest
    assert Path(rows["folder"]).is_dir()


def table(text: str) -> list[list[str]]:
    """The rows of a table of two columns, cut at its rules."""
    return [line.split("│") for line in text.splitlines() if line.count("│") == 3]


def test_options_come_from_the_environment_too(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    settings = {"SAMPLER_ANNOTATIONS": annotations, "SAMPLER_IMAGES": images, "SAMPLER_CACHE_DIR": tmp_path / "c"}
    environment = {name: str(value) for name, value in settings.items()}
    assert command("index", **environment).returncode == 0
    assert command("verify", **environment).returncode == 0
    assert (tmp_path / "c/indexes").is_dir()


def test_a_home_folder_in_a_variable_is_found(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    (annotations,) = tmp_path.glob("*.json")
    found = {"SAMPLER_ANNOTATIONS": f"~/{annotations.name}", "SAMPLER_CACHE_DIR": "~/cache", "HOME": str(tmp_path)}
    done = command("index", **found)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cache/indexes").is_dir()
    unknown = command("index", **found | {"SAMPLER_CACHE_DIR": "~nobody-of-this-name/cache"})
    assert (unknown.returncode, "the home folder is unknown" in unknown.stderr) == (2, True)


def test_several_files_and_folders_are_one_dataset(tmp_path: Path) -> None:
    other = small_coco()
    for entry in (*other["images"], *other["annotations"]):
        entry["image_id" if "image_id" in entry else "id"] += 1
    parts = [write_dataset(tmp_path / "a b"), write_dataset(tmp_path / "c", other)]
    files, folders = zip(*parts, strict=True)
    expected = open_dataset(files, folders, tmp_path)
    options = [option for file, images in parts for option in ("--annotations", file, "--images", images)]
    ids = tmp_path / "ids.txt"
    ids.write_text("10\n11\n")
    given = {
        "SAMPLER_ANNOTATIONS": json.dumps([str(file) for file in files]),
        "SAMPLER_IMAGES": json.dumps([str(folder) for folder in folders]),
        "SAMPLER_CACHE_DIR": str(tmp_path),
    }
    for name in ("index", "verify", "decode"):
        for done in (command(name, *options, "--cache-dir", tmp_path), command(name, **given)):
            assert done.returncode == 0, done.stderr
            assert expected.digest in done.stdout
    subset = open_dataset(files, folders, tmp_path, subset=ids)
    assert subset.image_ids() == [10, 11]
    for name in ("index", "verify", "decode", "recipe"):
        done = command(name, *(["--index", 0] if name == "recipe" else []), **given, SAMPLER_SUBSET=str(ids))
        assert done.returncode == 0, done.stderr
        assert subset.digest in done.stdout or name == "recipe"


def test_a_variable_that_is_no_list_of_paths_is_named(tmp_path: Path) -> None:
    done = command("index", SAMPLER_ANNOTATIONS='["a", 1]')
    assert done.returncode == 2
    assert "SAMPLER_ANNOTATIONS" in done.stderr


def test_a_missing_option_is_named_and_that_the_settings_file_is_not_read() -> None:
    for settings, remark in [("", False), ("settings.toml", True)]:
        done = command("index", SAMPLER_SETTINGS=settings, COLUMNS="200")
        assert done.returncode == 2
        assert "set --annotations or SAMPLER_ANNOTATIONS" in done.stderr
        assert ("commands do not read SAMPLER_SETTINGS" in done.stderr) == remark


@pytest.mark.parametrize("name", ["index", "verify"])
def test_errors_exit_with_2_and_one_line_on_stderr(name: str, tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"][0]["category_id"] = 999
    annotations, images = write_dataset(tmp_path)
    bad, _ = write_dataset(tmp_path / "bad", content)
    for arguments in ((tmp_path / "gone.json", images), (annotations, tmp_path / "gone"), (bad, images)):
        done = command(name, "--annotations", arguments[0], "--images", arguments[1], "--cache-dir", tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("index",), ("verify", "--annotations", "x"), ("nonsense",), ("index", "--what")]
)
def test_a_wrong_command_line_exits_with_2_and_no_stack_trace(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_shell_completion_can_be_installed() -> None:
    assert "--install-completion" in command("--help").stdout
