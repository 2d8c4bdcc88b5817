"""`saccade-sampler plan` measures a real server, or takes a saved measurement."""

import json
import subprocess
from pathlib import Path

import pytest

from saccade_sampler.planning.measurement import read_measurement, write_measurement
from tests.saccade_sampler.planning.measurements import round_measurement
from tests.support.docs import names_in_json
from tests.support.processes import run_python

DEMAND = ("--batch-size", "48", "--steps-per-second", "2.5")


def plan(*options: object, **settings: object) -> "subprocess.CompletedProcess[str]":
    return run_python("-m", "saccade_sampler", "plan", *options, settings=settings, check=False)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    write_measurement(tmp_path / "saved.json", round_measurement())
    return tmp_path / "saved.json"


def test_it_measures_the_dataset_of_the_settings(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": tmp_path / "cache"}
    file = tmp_path / "measured.json"
    done = plan(*DEMAND, "--seconds", "1.2", "--save", file, "--json", **settings)
    assert done.returncode == 0, done.stderr
    document, measured = json.loads(done.stdout), read_measurement(file)
    assert (measured.dataset, measured.images, measured.config) == (scenes[0].stem, 24, "cornernet_saccade")
    assert measured.sample_bytes["compact"] < measured.sample_bytes["sparse"] < measured.sample_bytes["dense"]
    for preparation in (measured.entry_points, measured.store):
        assert all(0.02 < cost.workers < 60 for cost in preparation.costs.values())
        assert all(cost.client > 0 for cost in preparation.costs.values())
    assert measured.store.disk_bytes > 10 * measured.file_bytes / 24
    assert 10e6 < measured.memory.worker < 500e6
    assert document["hosts"] >= 1
    assert document["cores"] >= 120 * measured.entry_points.costs["compact"].workers / 1000
    assert document["measurement"]["images"] == 24
    assert set(document) == names_in_json("plan")
    again = plan(*DEMAND, "--from", file, "--json")
    assert json.loads(again.stdout) == document


def test_a_saved_measurement_is_planned_with_at_once_and_shown_line_by_line(saved: Path) -> None:
    done = plan(*DEMAND, "--from", saved)
    assert done.returncode == 0, done.stderr
    assert "samples per second  " in done.stdout
    assert "1 job × 48 samples/step × 2.5 steps/s = 120 samples/s" in done.stdout
    assert "Result: 1 host, each with 8 cores, 10 Gbit/s, 1.7 GB of memory" in done.stdout


@pytest.mark.parametrize(("options", "message"), [
    (("--layout", "png"), "--layout png: expected one of"),
    (("--trainers", "49"), "--trainers 49: more than the 48 samples"),
    (("--from", "none.json", "--save", "b.json"), "--from is a measurement that was made before"),
    (("--from", "none.json"), "none.json: the measurement cannot be read"),
    (("--annotations", "none.json"), "SAMPLER_IMAGES is not set"),
    (("--annotations", "none.json", "--images", "."), "none.json"),
])  # fmt: skip
def test_what_cannot_be_planned_is_one_line(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = plan(*DEMAND, *options, cache_dir=tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert done.returncode == 2


def test_images_that_cannot_be_read_are_left_out_until_none_is_left(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for file in sorted(scenes[1].iterdir()):
        (tmp_path / "images" / file.name).write_bytes(b"no image")
    done = plan(*DEMAND, annotations=scenes[0], images=tmp_path / "images", cache_dir=tmp_path)
    (line,) = done.stderr.splitlines()
    assert "none of 24 images can be read; the first: image 0" in line
    assert done.returncode == 2
