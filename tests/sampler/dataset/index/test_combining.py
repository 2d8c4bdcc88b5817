"""Several annotation files as one dataset."""

from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.dataset import Dataset, image_folders, open_dataset
from sampler.dataset.index.arrays import ARRAYS
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import check_index
from sampler.errors import AnnotationError, ImageSourceError
from tests.support.coco_files import (
    Entry,
    box_entry,
    category_entry,
    coco,
    image_entry,
    opencv_pixels,
    small_coco,
    write_dataset,
    write_json,
)


def other_coco() -> Entry:
    """Two images between and after those of `small_coco`, with the same categories in another order."""
    return coco(
        [image_entry(40, 32, 24), image_entry(15, 50, 40, "x/15.jpg")],
        [box_entry(1, 15, 7, [1, 2, 3, 4.5], area=9.25), box_entry(2, 40, 90, [5, 5, 6, 6], iscrowd=1)],
        [*reversed(small_coco()["categories"])],
    )


def combined(folder: Path, *contents: Entry) -> Dataset:
    parts = [write_dataset(folder / str(number), content) for number, content in enumerate(contents)]
    return open_dataset([file for file, _ in parts], [images for _, images in parts], folder / "cache")


def test_images_of_all_files_ascend_by_id_with_their_boxes(tmp_path: Path) -> None:
    dataset = combined(tmp_path, small_coco(), other_coco())
    assert dataset.image_ids() == [10, 15, 20, 30, 40]
    assert dataset.boxes(1).tolist() == [[1, 2, 4, 6.5, 2]]
    assert dataset.crowd(4).tolist() == [True]
    assert [dataset.size(index) for index in (1, 4)] == [(40, 50), (24, 32)]
    assert dataset.annotation_ids.tolist() == [1, 4, 1, 3, 5, 2, 2]
    assert dataset.areas[2] == 9.25
    assert dataset.part_numbers().tolist() == [0, 1, 0, 0, 1]
    assert dataset.sources == (str(tmp_path / "0/annotations.json"), str(tmp_path / "1/annotations.json"))
    check_index(dataset.index_dir)


def test_the_part_of_an_image_is_known_among_more_than_ten(tmp_path: Path) -> None:
    contents = [coco([image_entry(number, 32, 24)], [], [category_entry(1)]) for number in range(1, 13)]
    assert combined(tmp_path, *contents).part_numbers().tolist() == list(range(12))


def test_names_begin_with_the_number_of_the_file_and_pixels_come_from_its_folder(tmp_path: Path) -> None:
    dataset = combined(tmp_path, small_coco(), other_coco())
    assert dataset.file_name(1) == "1/x/15.jpg"
    assert np.array_equal(dataset.read(1).pixels, opencv_pixels(tmp_path / "1/images/x/15.jpg"))
    assert np.array_equal(dataset.read(0).pixels, opencv_pixels(tmp_path / "0/images/000000000010.jpg"))
    assert dataset.images.describe("1/x/15.jpg") == str(tmp_path / "1/images/x/15.jpg")


def test_every_image_has_the_boxes_that_it_has_in_its_own_file(tmp_path: Path) -> None:
    whole = combined(tmp_path, small_coco(), other_coco())
    for number in range(2):
        part = open_dataset(tmp_path / f"{number}/annotations.json", tmp_path / f"{number}/images", tmp_path / "cache")
        for index in range(len(part)):
            [place], _ = whole.find([part.image_id(index)])
            assert np.array_equal(whole.boxes(place), part.boxes(index))
            assert whole.file_name(place) == f"{number}/{part.file_name(index)}"


def test_a_list_of_one_file_is_that_file(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    assert open_dataset([annotations], [images], tmp_path).digest == open_dataset(annotations, images, tmp_path).digest
    assert ensure_index([annotations], tmp_path) == ensure_index(annotations, tmp_path)


def test_one_folder_may_hold_the_images_of_all_files(tmp_path: Path) -> None:
    first, images = write_dataset(tmp_path / "a")
    second, _ = write_dataset(tmp_path / "a", other_coco())
    write_json(tmp_path / "first.json", small_coco())
    dataset = open_dataset([tmp_path / "first.json", second], images, tmp_path / "cache")
    assert [dataset.read(index).pixels.shape[:2] for index in range(5)] == [dataset.size(index) for index in range(5)]
    assert first == second


@pytest.mark.parametrize(("files", "folders"), [(2, 3), (1, 2), (3, 2)])
def test_other_numbers_of_files_and_folders_are_refused(files: int, folders: int) -> None:
    with pytest.raises(ImageSourceError, match=f"annotation files: {files}, image folders: {folders}; give"):
        image_folders(files, [Path("x")] * folders)


def test_if_one_file_has_string_ids_all_ids_are_strings(tmp_path: Path) -> None:
    other = other_coco()
    other["images"][0]["id"] = "a"
    other["annotations"][1]["image_id"] = "a"
    other["annotations"].append(box_entry(3, 15, 7, [1, 2, 0, 4]))
    dataset = combined(tmp_path, small_coco(), other)
    assert dataset.image_ids() == ["10", "15", "20", "30", "a"]
    assert dataset.crowd(4).tolist() == [True]
    assert [box.image_id for box in dataset.rejected] == ["15"]


def test_boxes_that_are_not_used_are_counted_in_all_files(tmp_path: Path) -> None:
    first, second = small_coco(), other_coco()
    first["annotations"] += [box_entry(7, 20, 1, [1, 2, 0, 4]), box_entry(8, 99, 1, [1, 2, 3, 4])]
    second["annotations"] += [box_entry(7, 40, 1, [1, 2, 0, 4]), box_entry(8, 10, 1, [1, 2, 3, 4])]
    dataset = combined(tmp_path, first, second)
    assert (dataset.dropped_count, dataset.unlisted_count) == (2, 2)
    assert [box.image_id for box in dataset.left_out.unlisted] == [99, 10]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda categories: categories.pop(1), r"only .*0/annotations\.json has 7 \(fox\)"),
        (lambda categories: categories.append(category_entry(5, "bee")), r"only .*1/annotations\.json has 5 \(bee\)"),
        (lambda categories: categories[0].update(name="cat"), r"other names here for 13 \(cat\)"),
    ],
)
def test_categories_that_differ_are_refused_with_the_differences(change: object, cause: str, tmp_path: Path) -> None:
    other = other_coco()
    other["annotations"] = []
    assert callable(change)
    change(other["categories"])
    with pytest.raises(AnnotationError, match=cause) as caught:
        combined(tmp_path, small_coco(), other)
    assert caught.value.file == str(tmp_path / "1/annotations.json")
    assert caught.value.cause.endswith("; make ids and names agree")


@pytest.mark.parametrize("strings", [False, True])
def test_an_image_id_in_two_files_is_refused(strings: bool, tmp_path: Path) -> None:
    other = other_coco()
    other["images"][0]["id"] = "30" if strings else 30
    other["annotations"].pop()
    with pytest.raises(
        AnnotationError, match=r"image ids that are also in .*0/annotations\.json: 1, the first is 30; give"
    ):
        combined(tmp_path, small_coco(), other)


def test_the_digest_depends_on_content_and_order_of_the_files_only(tmp_path: Path) -> None:
    files = [write_json(tmp_path / f"{n}.json", content) for n, content in enumerate((small_coco(), other_coco()))]
    digest = DatasetIndex(ensure_index(files, tmp_path / "cache")).digest
    moved = [file.rename(tmp_path / f"moved-{file.name}") for file in files]
    assert DatasetIndex(ensure_index(moved, tmp_path / "elsewhere")).digest == digest
    assert DatasetIndex(ensure_index(moved[::-1], tmp_path / "cache")).digest != digest


def test_a_combined_index_is_found_again_and_rebuilt_when_a_file_changes(tmp_path: Path) -> None:
    files = [write_json(tmp_path / f"{n}.json", content) for n, content in enumerate((small_coco(), other_coco()))]
    first = ensure_index(files, tmp_path)
    written = (first / "meta.json").stat().st_mtime_ns
    assert ensure_index(files, tmp_path) == first
    assert (first / "meta.json").stat().st_mtime_ns == written
    other = other_coco()
    other["annotations"].pop()
    write_json(files[1], other)
    assert ensure_index(files, tmp_path) != first
    (first / "boxes.npy").unlink()
    write_json(files[1], other_coco())
    assert ensure_index(files, tmp_path) == first
    check_index(first)


@pytest.mark.parametrize("strings", [False, True])
def test_a_dataset_cut_into_files_at_random_has_the_arrays_of_the_whole(strings: bool, tmp_path: Path) -> None:
    random = np.random.Generator(np.random.Philox(key=3))
    ids = [f"n{number}" if strings else number for number in random.permutation(300).tolist()]
    images = [image_entry(1) | {"id": one, "file_name": f"{one}.jpg"} for one in ids]
    categories = [category_entry(number) for number in (5, 2, 9)]
    boxes = [
        box_entry(number, ids[place], int(random.choice([2, 5, 9])), random.uniform(1, 40, 4).round(2).tolist())
        for number, place in enumerate(random.integers(0, 300, 2000).tolist())
    ]
    part_of = dict(zip(ids, random.integers(0, 3, 300).tolist(), strict=True))
    files = [
        write_json(
            tmp_path / f"{part}.json",
            coco(
                [image for image in images if part_of[image["id"]] == part],
                [box for box in boxes if part_of[box["image_id"]] == part],
                categories,
            ),
        )
        for part in range(3)
    ]
    whole = DatasetIndex(ensure_index(write_json(tmp_path / "all.json", coco(images, boxes, categories)), tmp_path))
    parts = DatasetIndex(ensure_index(files, tmp_path))
    assert parts.image_ids() == whole.image_ids()
    for name in set(ARRAYS) - {"names", "name_starts"}:
        assert np.array_equal(parts.arrays()[name], whole.arrays()[name], equal_nan=name == "area"), name
    names = [f"{part_of[one]}/{whole.file_name(index)}" for index, one in enumerate(whole.image_ids())]
    assert [parts.file_name(index) for index in range(300)] == names
