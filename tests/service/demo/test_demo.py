"""The demo dataset: its contents, and that it is drawn completely, once, or not at all."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from filelock import FileLock
from pycocotools import mask as coco_mask

from sampler.errors import SamplerError
from service.demo.dataset import DemoDataset, DemoError, coco_json, ensure_demo
from service.demo.scenes import compose_scene
from tests.support.processes import start_python

SMALL = 12
BUILD = "import sys; from pathlib import Path; from service.demo.dataset import ensure_demo; "
BUILD += "print(ensure_demo(Path(sys.argv[1]), count=int(sys.argv[2])).annotations)"


@pytest.fixture(scope="session")
def document(demo: DemoDataset) -> dict[str, Any]:
    """The annotation file."""
    parsed: dict[str, Any] = json.loads(demo.annotations.read_bytes())
    return parsed


@pytest.fixture(scope="session")
def boxes(document: dict[str, Any]) -> np.ndarray:
    """All boxes: x, y, width, height in pixels."""
    return np.array([annotation["bbox"] for annotation in document["annotations"]])


def digest(demo: DemoDataset) -> dict[str, str]:
    files = [demo.annotations, *demo.images.iterdir()]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def start(cache: Path, count: int, *before: str) -> "subprocess.Popen[str]":
    return start_python("-c", "\n".join([*before, BUILD]), cache, count, coverage=False)


def test_there_are_256_pictures_of_the_annotated_sizes(demo: DemoDataset, document: dict[str, Any]) -> None:
    assert len(document["images"]) == len(list(demo.images.iterdir())) == 256
    for image in document["images"]:
        pixels = cv2.imread(str(demo.images / image["file_name"]))
        assert pixels is not None
        assert pixels.shape == (image["height"], image["width"], 3)


def test_files_are_as_large_as_photographs(demo: DemoDataset) -> None:
    sizes = [file.stat().st_size for file in demo.images.iterdir()]
    assert 100_000 < np.median(sizes) < 200_000
    assert min(sizes) > 30_000
    assert max(sizes) < 400_000


def test_picture_sizesand_file_names_resemble_coco(document: dict[str, Any]) -> None:
    sizes = Counter((image["width"], image["height"]) for image in document["images"])
    assert sizes.most_common(1)[0][0] == (640, 480)
    assert len(sizes) >= 8
    ids = [image["id"] for image in document["images"]]
    assert ids == sorted(set(ids))
    assert ids[0] == 139
    assert min(np.diff(ids)) > 1
    assert all(image["file_name"] == f"{image['id']:012d}.jpg" for image in document["images"])


def test_all_of_cocos_categories_occur(document: dict[str, Any]) -> None:
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    ids = [category["id"] for category in document["categories"]]
    assert ids == [number for number in range(1, 91) if number not in gaps]
    assert len({category["name"] for category in document["categories"]}) == 80
    assert len({category["supercategory"] for category in document["categories"]}) == 12
    assert {annotation["category_id"] for annotation in document["annotations"]} == set(ids)


def test_box_sizesare_distributed_as_in_coco(boxes: np.ndarray) -> None:
    areas = boxes[:, 2] * boxes[:, 3]
    small, large = np.mean(areas < 32**2), np.mean(areas > 96**2)
    assert small == pytest.approx(0.41, abs=0.06)
    assert 1 - small - large == pytest.approx(0.34, abs=0.06)
    assert large == pytest.approx(0.25, abs=0.06)


def test_object_areas_are_distributed_as_in_coco(document: dict[str, Any]) -> None:
    areas = np.array([annotation["area"] for annotation in document["annotations"]])
    small, large = np.mean(areas < 32**2), np.mean(areas > 96**2)
    assert small == pytest.approx(0.41, abs=0.06)
    assert 1 - small - large == pytest.approx(0.34, abs=0.06)
    assert large == pytest.approx(0.25, abs=0.06)


def test_some_pictures_are_empty_some_crowded_and_one_has_more_objects_than_a_sample_has_tags(
    document: dict[str, Any],
) -> None:
    found = Counter(annotation["image_id"] for annotation in document["annotations"])
    counts = [found[image["id"]] for image in document["images"]]
    assert np.mean(counts) == pytest.approx(7.3, abs=0.7)
    assert counts.count(0) >= 2
    assert sum(count > 40 for count in counts) >= 4
    assert sum(count > 128 for count in counts) == 1


def test_boxes_have_an_area_and_lie_inside_their_picture(document: dict[str, Any]) -> None:
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        across, down = sizes[annotation["image_id"]]
        assert x >= 0 <= y
        assert min(width, height) > 1
        assert round(x + width, 2) <= across
        assert round(y + height, 2) <= down


def test_polygons_touch_all_four_sides_of_their_box(document: dict[str, Any]) -> None:
    for annotation in document["annotations"]:
        if annotation["iscrowd"]:
            continue
        (flat,) = annotation["segmentation"]
        xs, ys = flat[::2], flat[1::2]
        sides = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        assert sides == pytest.approx(annotation["bbox"], abs=0.011)
        assert 0 < annotation["area"] <= round(annotation["bbox"][2] * annotation["bbox"][3], 2)


def test_crowd_masks_match_the_annotated_box_and_area(document: dict[str, Any]) -> None:
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    crowds = [annotation for annotation in document["annotations"] if annotation["iscrowd"]]
    assert len(crowds) >= 3
    for crowd in crowds:
        runs = coco_mask.frPyObjects(crowd["segmentation"], *sizes[crowd["image_id"]])
        assert coco_mask.toBbox(runs).tolist() == crowd["bbox"]
        assert coco_mask.area(runs) == crowd["area"]


def test_annotations_are_byte_identical_on_every_machine(demo: DemoDataset) -> None:
    recorded = "8b1dd82c73f6a4a1c4a9196b5b5e49b684e1c93cd0969c39d6a903080c962f8f"
    assert hashlib.sha256(demo.annotations.read_bytes()).hexdigest() == recorded


def test_annotation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [annotation["id"] for annotation in document["annotations"]]
    assert len(set(ids)) == len(ids)


def test_drawing_is_deterministic(tmp_path: Path) -> None:
    one, two = (ensure_demo(tmp_path / name, count=SMALL) for name in ("one", "two"))
    assert one != two
    assert digest(one) == digest(two)


def test_a_smaller_demo_has_the_first_pictures_of_the_full_one(demo: DemoDataset, tmp_path: Path) -> None:
    small = ensure_demo(tmp_path, count=SMALL)
    full = digest(demo)
    pictures = [file.name for file in small.images.iterdir()]
    assert len(pictures) == SMALL
    assert {name: digest(small)[name] for name in pictures} == {name: full[name] for name in pictures}
    assert small.annotations.read_bytes() == coco_json([compose_scene(number) for number in range(SMALL)])


def test_a_second_start_draws_nothing(demo: DemoDataset) -> None:
    before = {file: file.stat().st_mtime_ns for file in demo.images.iterdir()}
    began = time.monotonic()
    assert ensure_demo(demo.images.parents[1]) == demo
    assert time.monotonic() - began < 0.5
    assert {file: file.stat().st_mtime_ns for file in demo.images.iterdir()} == before


def test_concurrent_processes_draw_once(tmp_path: Path) -> None:
    starters = [start(tmp_path, SMALL) for _ in range(3)]
    outcomes = [starter.communicate(timeout=100) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], outcomes
    assert len({out for out, _ in outcomes}) == 1
    demo = ensure_demo(tmp_path, count=SMALL)
    assert len(list(demo.images.iterdir())) == SMALL
    assert {path.name for path in tmp_path.iterdir()} == {f"demo-v3-{SMALL}", f"demo-v3-{SMALL}.lock"}


def test_after_a_kill_there_is_no_demo_and_the_next_start_removes_the_partial_one(tmp_path: Path) -> None:
    victim = start(tmp_path, 60)
    images = tmp_path / "demo-v3-60.partial" / "images"
    try:
        until = time.monotonic() + 60
        while not (images.is_dir() and any(images.iterdir())):
            assert victim.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=30)
    assert not (tmp_path / "demo-v3-60").exists()
    assert images.is_dir()
    demo = ensure_demo(tmp_path, count=60)
    assert len(list(demo.images.iterdir())) == 60
    assert {path.name for path in tmp_path.iterdir()} == {"demo-v3-60", "demo-v3-60.lock"}


@pytest.mark.parametrize(
    "damage", ["picture missing", "picture truncated", "annotations missing", "manifest truncated"]
)
def test_a_damaged_demo_is_drawn_again(damage: str, tmp_path: Path) -> None:
    demo = ensure_demo(tmp_path, count=3)
    intact = digest(demo)
    picture = next(demo.images.iterdir())
    if damage == "picture missing":
        picture.unlink()
    elif damage == "picture truncated":
        os.truncate(picture, 1000)
    elif damage == "annotations missing":
        demo.annotations.unlink()
    else:
        (demo.images.parent / "manifest.json").write_text('{"annotations')
    assert digest(ensure_demo(tmp_path, count=3)) == intact
    assert {path.name for path in tmp_path.iterdir()} == {"demo-v3-3", "demo-v3-3.lock"}


def test_an_unwritable_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(
        DemoError, match=r"a file.inside: cannot make the demo dataset here: .*a file is not a folder"
    ) as raised:
        ensure_demo(blocked / "inside", count=3)
    assert isinstance(raised.value, SamplerError)
    assert "\n" not in str(raised.value)


def test_a_failed_write_is_reported_in_one_line_and_leaves_no_files(tmp_path: Path) -> None:
    # No file may grow past 60 kB in this process: the annotations fit, a picture does not.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    starter = start(tmp_path, 4, limit)
    _, errors = starter.communicate(timeout=60)
    assert starter.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("service.demo.dataset.DemoError: ")
    assert "cannot make the demo dataset here: File too large" in last
    assert [path.name for path in tmp_path.iterdir()] == ["demo-v3-4.lock"]


def test_drawing_logs_start_and_end_and_prints_nothing_without_a_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO", logger="saccade_sampler.demo"):
        ensure_demo(tmp_path, count=2)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "2 pictures" in caplog.records[0].getMessage()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_progress_bar(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    shown = b""
    with start_python("-c", BUILD, tmp_path, 6, stderr=terminal, variables={"TERM": "xterm"}) as builder:
        os.close(terminal)
        # Read while the process runs; when it exits, Linux reports the closed terminal as an error.
        with suppress(OSError), os.fdopen(controller, "rb", buffering=0) as screen:
            while piece := screen.read(4096):
                shown += piece
    assert builder.returncode == 0
    assert b"Drawing the demo dataset" in shown
    assert b"6/6" in shown


def test_waiting_for_another_process_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.demo.dataset._LOCK_TIMEOUT_SECONDS", 0.2)
    with (
        FileLock(tmp_path / "demo-v3-3.lock"),
        pytest.raises(DemoError, match=r"demo-v3-3.lock' could not be acquired"),
    ):
        ensure_demo(tmp_path, count=3)
