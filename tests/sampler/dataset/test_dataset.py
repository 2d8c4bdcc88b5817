"""A dataset by index."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import AnnotationError, ImageError, ImageSourceError, InvalidRequestError
from tests.support.coco_files import (
    box_entry,
    image_file,
    opencv_pixels,
    small_coco,
    write_dataset,
    write_json,
)
from tests.support.processes import run_python


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(*write_dataset(tmp_path), tmp_path / "cache")


def test_a_dataset_has_counts_names_and_a_digest(dataset: Dataset) -> None:
    assert len(dataset) == 3
    assert dataset.box_count == 5
    assert dataset.category_count == 4
    assert dataset.category_names == ("ant", "fox", "owl", "zebra")
    assert dataset.rejected == ()
    assert len(dataset.digest) == 32
    assert repr(dataset) == "<Dataset of 3 images, 5 boxes, 4 categories>"


def test_an_image_has_an_id_a_size_and_a_name(dataset: Dataset) -> None:
    assert [dataset.image_id(index) for index in range(3)] == [10, 20, 30]
    assert dataset.size(0) == (40, 80)
    assert dataset.file_name(0) == "000000000010.jpg"


def test_a_string_image_id_comes_back_as_a_string(tmp_path: Path) -> None:
    content = small_coco()
    content["images"][2]["id"] = "naïve/20"
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path / "cache")
    assert [dataset.image_id(index) for index in range(3)] == ["10", "30", "naïve/20"]


def test_counts_tell_how_much_of_the_annotations_is_used(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] += [box_entry(6, 20, 1, [1, 2, 0, 4]), box_entry(7, 99, 1, [1, 2, 3, 4])]
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path / "cache")
    assert (dataset.box_count, dataset.dropped_count, dataset.unlisted_count, dataset.boxless_count) == (5, 1, 1, 1)


def test_boxes_are_corners_with_a_category_number(dataset: Dataset) -> None:
    assert dataset.boxes(2).tolist() == [[5, 5, 15.5, 15.25, 2], [1, 2, 31, 22, 4], [10, 10, 30, 30, 4]]
    assert dataset.boxes(1).shape == (0, 5)
    assert dataset.boxes(2).dtype == np.float32


def test_crowd_boxes_can_be_left_out(dataset: Dataset) -> None:
    assert dataset.crowd(2).tolist() == [False, False, True]
    assert dataset.boxes(2, keep_crowd=False).tolist() == dataset.boxes(2)[:2].tolist()


@pytest.mark.parametrize("keep_crowd", [True, False])
def test_boxes_are_copies(keep_crowd: bool, dataset: Dataset) -> None:
    before = dataset.boxes(2).tolist()
    boxes = dataset.boxes(2, keep_crowd)
    boxes += 1
    dataset.crowd(2)[:] = True
    assert dataset.boxes(2).tolist() == before
    assert dataset.crowd(2).tolist() == [False, False, True]


@pytest.mark.parametrize("index", [-1, 3, 10**30, 1.0, "1", None, True, np.float32(1), np.True_])
def test_an_index_out_of_range_names_the_range(index: int, dataset: Dataset) -> None:
    for method in (dataset.boxes, dataset.size, dataset.file_name, dataset.image_id, dataset.crowd, dataset.read):
        with pytest.raises(InvalidRequestError, match="an integer from 0 to 2") as caught:
            method(index)
        assert (caught.value.field, caught.value.value) == ("index", index)


def test_an_index_may_be_a_numpy_integer(dataset: Dataset) -> None:
    assert dataset.image_id(np.int32(2)) == 30  # type: ignore[arg-type] # whatever is a whole number will do


def test_pixels_are_those_of_the_file(dataset: Dataset) -> None:
    assert np.array_equal(dataset.read(0).pixels, opencv_pixels(image_file(dataset, 0)))
    assert dataset.read(0).pixels.shape == (40, 80, 3)


def test_an_image_that_cannot_be_read_is_named_with_its_index(dataset: Dataset) -> None:
    image_file(dataset, 1).unlink()
    with pytest.raises(ImageError, match=r"image 1 \(.*000000000020.jpg\)") as caught:
        dataset.read(1)
    assert (caught.value.index, caught.value.kind) == (1, "missing")
    limited = Dataset(dataset.index_dir, dataset.images, ReadOptions(max_pixels=10))
    with pytest.raises(ImageError, match="limit of 10") as caught:
        limited.read(0)
    assert caught.value.kind == "too-large"


def test_dropped_boxes_can_be_listed(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"].append(box_entry(99, 20, 1, [1, 2, -3, 4]))
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path / "cache")
    [rejected] = dataset.rejected
    assert (rejected.annotation_id, rejected.image_id, rejected.box) == (99, 20, (1, 2, -3, 4))
    assert dataset.box_count == 5


def test_file_names_may_have_subfolders_and_any_letters(tmp_path: Path) -> None:
    content = small_coco()
    content["images"][0]["file_name"] = "tråin/a b/写真.jpg"
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path / "cache")
    assert dataset.file_name(2) == "tråin/a b/写真.jpg"
    assert dataset.read(2).pixels.shape == (48, 64, 3)


def test_a_missing_image_folder_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    annotations = write_json(tmp_path / "a.json", small_coco())
    with pytest.raises(ImageSourceError, match="image folder does not exist"):
        open_dataset(annotations, tmp_path / "gone", tmp_path / "cache")
    with pytest.raises(ImageSourceError, match="is not a folder"):
        open_dataset(annotations, annotations, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_index_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="index does not exist"):
        DatasetIndex(tmp_path / "gone")


def test_the_users_cache_folder_is_the_default(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.dataset import open_dataset\n"
        "print(open_dataset(Path(sys.argv[1]), Path(sys.argv[2])).index_dir)"
    )
    home = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    done = run_python("-c", code, annotations, images, env=home)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "home")
    assert "saccade-sampler" in done.stdout


def test_a_loaded_coco_object_gives_the_same_dataset(dataset: Dataset, tmp_path: Path) -> None:
    loaded = COCO()
    loaded.dataset = json.loads((tmp_path / "annotations.json").read_text())
    loaded.dataset["annotations"][0]["segmentation"] = {"size": [48, 64], "counts": b"0"}
    opened = open_dataset(loaded, tmp_path / "images", tmp_path / "cache")
    assert opened.digest == dataset.digest
    assert open_dataset(loaded, tmp_path / "images", tmp_path / "cache").index_dir == opened.index_dir


@pytest.mark.parametrize("content", [{}, {"images": []}, {"images": [object()]}])
def test_a_loaded_object_that_is_not_coco_is_refused(content: object, tmp_path: Path) -> None:
    loaded = COCO()
    loaded.dataset = content
    with pytest.raises(AnnotationError, match=r"loaded COCO object: .*not COCO format"):
        open_dataset(loaded, tmp_path, tmp_path)


def test_boxes_are_those_the_published_sampler_was_given(shared: Path, tmp_path: Path) -> None:
    images = shared / "coco-tiny/images"
    datasets = {
        split: open_dataset(shared / f"coco-tiny/annotations/instances_{split}.json", images / split, tmp_path)
        for split in ("train2017", "val2017")
    }
    places = {
        (split, found.file_name(index)): index for split, found in datasets.items() for index in range(len(found))
    }
    cases = json.loads((shared / "golden/cases.json").read_text())
    assert len(cases) == 44
    for case in cases:
        boxes = datasets[case["split"]].boxes(places[case["split"], case["file_name"]])
        assert boxes.astype(np.float64).tolist() == case["boxes"]
