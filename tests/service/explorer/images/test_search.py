"""Finding images by annotations, names and ids."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from service.explorer.images.search import ImageFilter, find_images, images_with
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, small_coco, write_json


def index_of(tmp_path: Path, content: Any) -> DatasetIndex:
    return DatasetIndex(ensure_index([write_json(tmp_path / "annotations.json", content)], tmp_path / "cache"))


@pytest.fixture
def small(tmp_path: Path) -> DatasetIndex:
    """Images 10, 20 and 30 at the indices 0, 1 and 2; 20 has no boxes."""
    return index_of(tmp_path, small_coco())


@pytest.fixture
def named(tmp_path: Path) -> DatasetIndex:
    names = ["val/Cat 1.JPG", "val/cat 11.jpg", "train/cat 1.jpg", "übung.png"]
    return index_of(tmp_path, coco([image_entry(k, file_name=n) for k, n in enumerate(names)], [], [category_entry(1)]))


def found(index: DatasetIndex, **conditions: Any) -> list[int]:
    return list(find_images(index, ImageFilter(**conditions)).tolist())


def test_an_empty_filter_finds_all_images_in_order(small: DatasetIndex) -> None:
    assert found(small) == [0, 1, 2]


def test_images_are_found_by_category(small: DatasetIndex) -> None:
    assert [found(small, category=number) for number in (1, 2, 3, 4)] == [[0], [0, 2], [], [2]]


def test_images_are_found_by_their_number_of_boxes(small: DatasetIndex) -> None:
    assert found(small, max_boxes=0) == [1]
    assert found(small, min_boxes=1) == [0, 2]
    assert found(small, min_boxes=2, max_boxes=2) == [0]


def test_images_are_found_by_crowd_boxes(small: DatasetIndex) -> None:
    assert found(small, crowd=True) == [2]


def test_images_are_found_by_the_longer_side_of_a_box(small: DatasetIndex) -> None:
    assert found(small, min_side=31) == [0]
    assert found(small, side_below=10.5) == []
    assert found(small, side_below=10.6) == [2]
    assert found(small, min_side=11, side_below=12) == [0]


def test_one_box_must_meet_all_conditions(small: DatasetIndex) -> None:
    assert found(small, category=2, crowd=True) == []
    assert found(small, category=4, crowd=True) == [2]
    assert found(small, category=1, side_below=20) == []


def test_sizes_are_those_of_annotated_areas_or_else_of_rectangles(tmp_path: Path) -> None:
    boxes = [
        box_entry(1, 0, 1, [0, 0, 60, 40], area=1023.9),
        box_entry(2, 1, 1, [0, 0, 32, 32]),
        box_entry(3, 2, 1, [0, 0, 96, 96]),
    ]
    index = index_of(tmp_path, coco([image_entry(k, 200, 200) for k in range(3)], boxes, [category_entry(1)]))
    assert [found(index, size=size) for size in ("small", "medium", "large")] == [[0], [1], [2]]


def test_an_id_finds_its_image_alone(small: DatasetIndex) -> None:
    assert found(small, find="20") == [1]
    assert found(small, find="0000000020.jpg") == [1]


def test_part_of_a_name_finds_all_images_with_it(small: DatasetIndex) -> None:
    assert found(small, find="0000") == [0, 1, 2]
    assert found(small, find="30.j") == [2]


def test_a_file_name_finds_its_images_in_any_folder_and_case(named: DatasetIndex) -> None:
    assert found(named, find="cat 1.jpg") == [0, 2]
    assert found(named, find="TRAIN/cat 1.jpg") == [2]
    assert found(named, find="cat 1") == [0, 1, 2]
    assert found(named, find="Übung") == []
    assert found(named, find="übung") == [3]


def test_two_names_next_to_each_other_contain_no_third(small: DatasetIndex) -> None:
    assert found(small, find="jpg000") == []
    assert found(small, find="x" * 10_000) == []


def test_an_id_beyond_64_bits_is_no_image(small: DatasetIndex) -> None:
    assert found(small, find=str(1 << 80)) == []


def test_textual_ids_are_found_in_whole_and_in_part(tmp_path: Path) -> None:
    images = [{**image_entry(0, file_name=f"{name}.png"), "id": name} for name in ("frame-1", "frame-12", "other")]
    index = index_of(tmp_path, coco(images, [], [category_entry(1)]))
    assert found(index, find="frame-1") == [0]
    assert found(index, find="frame") == [0, 1]


def test_an_index_without_boxes_can_be_searched(named: DatasetIndex) -> None:
    assert found(named, category=1) == []
    assert images_with(named, np.zeros(0, np.bool_)).tolist() == [False] * 4


def test_the_result_is_that_of_looking_at_each_image(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    index = DatasetIndex(ensure_index([scenes[0]], cache_dir))
    for category in range(1, index.category_count + 1):
        expected = [
            image for image in range(len(index))
            if any(box[4] == category and max(box[2] - box[0], box[3] - box[1]) >= 40 for box in index.boxes(image))
        ]  # fmt: skip
        assert found(index, category=category, min_side=40) == expected
