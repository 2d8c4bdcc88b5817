"""The demo dataset: what is in it, and that it is built whole, once, or not at all."""

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
from service.demo.categories import CLASSES
from service.demo.dataset import DemoDataset, DemoError, ensure_demo
from service.demo.layout import coco_json, plan_pictures
from tests.support.processes import start_python

SMALL = 12
BUILD = "import sys; from pathlib import Path; from service.demo.dataset import ensure_demo; "
BUILD += "print(ensure_demo(Path(sys.argv[1]), count=int(sys.argv[2])).annotations)"


@pytest.fixture(scope="session")
def whole(demo: DemoDataset) -> DemoDataset:
    """The demo as a server with no settings gets it."""
    return demo


@pytest.fixture(scope="session")
def document(whole: DemoDataset) -> dict[str, Any]:
    """Its annotation file."""
    parsed: dict[str, Any] = json.loads(whole.annotations.read_bytes())
    return parsed


@pytest.fixture(scope="session")
def boxes(document: dict[str, Any]) -> np.ndarray:
    """Every box of it: x, y, width, height in pixels."""
    return np.array([annotation["bbox"] for annotation in document["annotations"]])


def digest(demo: DemoDataset) -> dict[str, str]:
    files = [demo.annotations, *demo.images.iterdir()]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def start(cache: Path, count: int, *before: str) -> "subprocess.Popen[str]":
    return start_python("-c", "\n".join([*before, BUILD]), cache, count, coverage=False)


def test_the_demo_has_256_pictures_of_which_every_one_decodes_to_its_annotated_size(
    whole: DemoDataset, document: dict[str, Any]
) -> None:
    assert len(document["images"]) == len(list(whole.images.iterdir())) == 256
    for image in document["images"]:
        pixels = cv2.imread(str(whole.images / image["file_name"]))
        assert pixels is not None
        assert pixels.shape == (image["height"], image["width"], 3)


def test_the_pictures_weigh_what_photos_weigh(whole: DemoDataset) -> None:
    weights = [file.stat().st_size for file in whole.images.iterdir()]
    assert 100_000 < np.median(weights) < 200_000
    assert min(weights) > 30_000
    assert max(weights) < 400_000


def test_the_pictures_have_sizes_and_names_like_those_of_coco(document: dict[str, Any]) -> None:
    sizes = Counter((image["width"], image["height"]) for image in document["images"])
    assert sizes.most_common(1)[0][0] == (640, 480)
    assert len(sizes) >= 8
    ids = [image["id"] for image in document["images"]]
    assert ids == sorted(set(ids))
    assert ids[0] == 139
    assert min(np.diff(ids)) > 1
    assert all(image["file_name"] == f"{image['id']:012d}.jpg" for image in document["images"])


def test_the_categories_are_those_of_coco_and_all_of_them_occur(document: dict[str, Any]) -> None:
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    ids = [category["id"] for category in document["categories"]]
    assert ids == [number for number in range(1, 91) if number not in gaps]
    assert len({category["name"] for category in document["categories"]}) == 80
    assert len({category["supercategory"] for category in document["categories"]}) == 12
    assert {annotation["category_id"] for annotation in document["annotations"]} == set(ids)


def test_categories_that_share_a_silhouette_differ_in_colour() -> None:
    assert len({(kind.shape, kind.colour) for kind in CLASSES}) == len(CLASSES)


def test_box_sizes_are_spread_like_those_of_coco(boxes: np.ndarray) -> None:
    areas = boxes[:, 2] * boxes[:, 3]
    small, large = np.mean(areas < 32**2), np.mean(areas > 96**2)
    assert small == pytest.approx(0.41, abs=0.06)
    assert 1 - small - large == pytest.approx(0.34, abs=0.06)
    assert large == pytest.approx(0.25, abs=0.06)


def test_object_areas_are_spread_like_those_of_coco(document: dict[str, Any]) -> None:
    areas = np.array([annotation["area"] for annotation in document["annotations"]])
    small, large = np.mean(areas < 32**2), np.mean(areas > 96**2)
    assert small == pytest.approx(0.41, abs=0.06)
    assert 1 - small - large == pytest.approx(0.34, abs=0.06)
    assert large == pytest.approx(0.25, abs=0.06)


def test_some_pictures_are_empty_some_crowded_and_one_has_more_boxes_than_a_sample_has_tags(
    document: dict[str, Any],
) -> None:
    found = Counter(annotation["image_id"] for annotation in document["annotations"])
    counts = [found[image["id"]] for image in document["images"]]
    assert np.mean(counts) == pytest.approx(7.3, abs=0.7)
    assert counts.count(0) >= 2
    assert sum(count > 40 for count in counts) >= 4
    assert sum(count > 128 for count in counts) == 1


def test_every_box_lies_inside_its_picture_and_has_width_and_height(document: dict[str, Any]) -> None:
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        across, down = sizes[annotation["image_id"]]
        assert x >= 0 <= y
        assert min(width, height) > 1
        assert round(x + width, 2) <= across
        assert round(y + height, 2) <= down


def test_every_polygon_touches_all_four_sides_of_its_box(document: dict[str, Any]) -> None:
    for annotation in document["annotations"]:
        if annotation["iscrowd"]:
            continue
        (flat,) = annotation["segmentation"]
        xs, ys = flat[::2], flat[1::2]
        sides = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        assert sides == pytest.approx(annotation["bbox"], abs=0.011)
        assert 0 < annotation["area"] <= round(annotation["bbox"][2] * annotation["bbox"][3], 2)


def test_crowds_are_masks_whose_box_and_area_are_those_of_the_annotation(document: dict[str, Any]) -> None:
    sizes = {image["id"]: (image["height"], image["width"]) for image in document["images"]}
    crowds = [annotation for annotation in document["annotations"] if annotation["iscrowd"]]
    assert len(crowds) >= 3
    for crowd in crowds:
        runs = coco_mask.frPyObjects(crowd["segmentation"], *sizes[crowd["image_id"]])
        assert coco_mask.toBbox(runs).tolist() == crowd["bbox"]
        assert coco_mask.area(runs) == crowd["area"]


def test_the_annotation_file_is_the_same_to_the_byte_on_every_machine(whole: DemoDataset) -> None:
    recorded = "26b7a908fb506118fcda8abc133267479ce7024dedb8672c6de9601a630e2774"
    assert hashlib.sha256(whole.annotations.read_bytes()).hexdigest() == recorded


def test_annotation_ids_occur_once(document: dict[str, Any]) -> None:
    ids = [annotation["id"] for annotation in document["annotations"]]
    assert len(set(ids)) == len(ids)


def test_two_builds_make_the_same_bytes(tmp_path: Path) -> None:
    one, two = (ensure_demo(tmp_path / name, count=SMALL) for name in ("one", "two"))
    assert one != two
    assert digest(one) == digest(two)


def test_a_smaller_demo_has_the_first_pictures_of_the_whole_one(whole: DemoDataset, tmp_path: Path) -> None:
    small = ensure_demo(tmp_path, count=SMALL)
    of_whole = digest(whole)
    pictures = [file.name for file in small.images.iterdir()]
    assert len(pictures) == SMALL
    assert {name: digest(small)[name] for name in pictures} == {name: of_whole[name] for name in pictures}
    assert small.annotations.read_bytes() == coco_json(plan_pictures(SMALL))


def test_a_second_start_builds_nothing(whole: DemoDataset) -> None:
    before = {file: file.stat().st_mtime_ns for file in whole.images.iterdir()}
    began = time.monotonic()
    assert ensure_demo(whole.images.parents[1]) == whole
    assert time.monotonic() - began < 0.5
    assert {file: file.stat().st_mtime_ns for file in whole.images.iterdir()} == before


def test_processes_that_start_at_once_share_one_build(tmp_path: Path) -> None:
    starters = [start(tmp_path, SMALL) for _ in range(3)]
    outcomes = [starter.communicate(timeout=100) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], outcomes
    assert len({out for out, _ in outcomes}) == 1
    demo = ensure_demo(tmp_path, count=SMALL)
    assert len(list(demo.images.iterdir())) == SMALL
    assert {path.name for path in tmp_path.iterdir()} == {f"demo-v1-{SMALL}", f"demo-v1-{SMALL}.lock"}


def test_a_killed_build_leaves_nothing_that_passes_for_a_demo_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    victim = start(tmp_path, 60)
    images = tmp_path / "demo-v1-60.partial" / "images"
    try:
        until = time.monotonic() + 60
        while not (images.is_dir() and any(images.iterdir())):
            assert victim.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=30)
    assert not (tmp_path / "demo-v1-60").exists()
    assert images.is_dir()
    demo = ensure_demo(tmp_path, count=60)
    assert len(list(demo.images.iterdir())) == 60
    assert {path.name for path in tmp_path.iterdir()} == {"demo-v1-60", "demo-v1-60.lock"}


@pytest.mark.parametrize("damage", ["picture gone", "picture cut short", "annotations gone", "manifest broken"])
def test_a_damaged_demo_is_made_again(damage: str, tmp_path: Path) -> None:
    demo = ensure_demo(tmp_path, count=3)
    sound = digest(demo)
    picture = next(demo.images.iterdir())
    if damage == "picture gone":
        picture.unlink()
    elif damage == "picture cut short":
        os.truncate(picture, 1000)
    elif damage == "annotations gone":
        demo.annotations.unlink()
    else:
        (demo.images.parent / "manifest.json").write_text('{"annotations')
    assert digest(ensure_demo(tmp_path, count=3)) == sound
    assert {path.name for path in tmp_path.iterdir()} == {"demo-v1-3", "demo-v1-3.lock"}


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(DemoError, match=r"a file.inside: cannot make the demo dataset here: Not a directory") as raised:
        ensure_demo(blocked / "inside", count=3)
    assert isinstance(raised.value, SamplerError)
    assert "\n" not in str(raised.value)


def test_a_write_that_fails_midway_gives_one_line_and_leaves_no_files(tmp_path: Path) -> None:
    # No file may grow past 60 kB in this process: the annotations fit, a picture does not.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    starter = start(tmp_path, 4, limit)
    _, errors = starter.communicate(timeout=60)
    assert starter.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("service.demo.dataset.DemoError: ")
    assert "cannot make the demo dataset here: File too large" in last
    assert [path.name for path in tmp_path.iterdir()] == ["demo-v1-4.lock"]


def test_a_demo_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="count = 0: expected 1 or more"):
        ensure_demo(tmp_path, count=0)


def test_without_a_terminal_there_is_one_log_line_before_and_one_after(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO", logger="saccade_sampler.demo"):
        ensure_demo(tmp_path, count=2)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert "2 pictures" in caplog.records[0].getMessage()
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_progress_bar(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    shown = b""
    with start_python("-c", BUILD, tmp_path, 6, stderr=terminal, variables={"TERM": "xterm"}) as builder:
        os.close(terminal)
        # Read while it runs, as a terminal does; Linux ends a terminal nobody holds open with an error.
        with suppress(OSError), os.fdopen(controller, "rb", buffering=0) as screen:
            while piece := screen.read(4096):
                shown += piece
    assert builder.returncode == 0
    assert b"Drawing the demo dataset" in shown
    assert b"6/6" in shown


def test_a_build_that_another_process_never_finishes_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.demo.dataset._WAIT_SECONDS", 0.2)
    with (
        FileLock(tmp_path / "demo-v1-3.lock"),
        pytest.raises(DemoError, match="another process has been making it for"),
    ):
        ensure_demo(tmp_path, count=3)
