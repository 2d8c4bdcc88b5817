"""File names of any script work in any locale, and no name can forge a line of output."""

import json
import os
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset, write_json
from tests.support.live_server import live_server
from tests.support.processes import run_python
from tests.support.wire_client import one_batch

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAMES = ("été/日本 🦊.jpg", "line\nbreak ERROR forged.jpg", "\x1b[2Jescape.jpg")


@pytest.fixture
def dataset(tmp_path: Path) -> tuple[Path, Path]:
    """A dataset with unusual names in a folder with an unusual name."""
    images = [image_entry(number, file_name=name) for number, name in enumerate(NAMES, start=1)]
    boxes = [box_entry(number, number, 1, [5, 5, 20, 20]) for number in range(1, len(NAMES) + 1)]
    return write_dataset(tmp_path / "größe", coco(images, boxes, [category_entry(1, "naïve 猫")]))


@pytest.mark.parametrize("command", ["index", "verify", "decode", "recipe", "stats"])
def test_every_command_runs_in_an_ascii_locale(command: str, dataset: tuple[Path, Path], tmp_path: Path) -> None:
    annotations, images = dataset
    arguments = ["--annotations", annotations, "--cache-dir", tmp_path / "cäche"]
    options = {"recipe": ["--index", 0], "stats": ["--samples", 3]}
    arguments += options.get(command, ["--images", images])
    done = run_python("-m", "sampler", command, *arguments, variables=ASCII)
    assert "Traceback" not in done.stderr
    assert (done.stdout + done.stderr).isascii()
    if command == "recipe":
        assert json.loads(done.stdout)["file_name"] == NAMES[0]


def test_hashes_are_recorded_in_an_ascii_locale(dataset: tuple[Path, Path], tmp_path: Path) -> None:
    annotations, images = dataset
    paths = ["--annotations", annotations, "--images", images, "--cache-dir", tmp_path / "cäche"]
    run_python("-m", "sampler", "index", "--hash-images", *paths, variables=ASCII)


def test_a_missing_file_is_named_on_one_line_whatever_its_name(dataset: tuple[Path, Path], tmp_path: Path) -> None:
    annotations, images = dataset
    for name in NAMES:
        (images / name).unlink()
    for command in ("verify", "decode"):
        arguments = ["--annotations", annotations, "--images", images, "--cache-dir", tmp_path / "cache"]
        for variables in (ASCII, {}):
            done = run_python("-m", "sampler", command, *arguments, variables=variables, check=False)
            assert done.returncode == 1
            lines = [line for line in done.stdout.splitlines() if line.startswith("missing /")]
            assert len(lines) == len(NAMES)
            assert any("line\\nbreak ERROR forged" in line for line in lines)
            assert "\x1b" not in done.stdout


def test_a_server_in_an_ascii_locale_serves_the_same_bytes(
    dataset: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = dataset
    config = write_json(tmp_path / "cönfig.json", {"db": {"rand_crop": True}})
    settings = {
        "annotations": annotations, "images": images, "config": config, "workers": 1, "cache_dir": tmp_path / "cäche",
    }  # fmt: skip
    with live_server(tmp_path, **settings) as server:
        expected = one_batch(server.url, "indices=0,1,2")
    for name, value in ASCII.items():
        monkeypatch.setenv(name, value)
    with live_server(tmp_path, **settings) as server:
        found = one_batch(server.url, "indices=0,1,2")
        assert httpx.get(f"{server.url}/v1/spec").json()["config"]["name"] == "cönfig"
        for index, name in enumerate(NAMES):
            assert httpx.get(f"{server.url}/debug/samples/{index}").json()["image"]["file_name"] == name
        os.unlink(os.fsencode(images / NAMES[1]))  # noqa: PTH108 - this process has the locale of the test run
        with suppress(httpx.RemoteProtocolError):  # the response ends early
            httpx.get(f"{server.url}/v1/batches?indices=1&epoch=9")
        log = server.log
        assert "line\\nbreak ERROR forged" in log
        assert not any(line.startswith("break ERROR") for line in log.splitlines())
    for one, other in zip(found.samples, expected.samples, strict=True):
        assert (one.arrays["crop"] == other.arrays["crop"]).all()
