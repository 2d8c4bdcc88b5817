"""Some images of a dataset as a dataset of their own."""

import json
from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.dataset import open_dataset
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import check_index
from sampler.errors import ImageListError
from tests.support.coco_files import Entry, box_entry, small_coco, write_dataset, write_json


def subset(folder: Path, text: str, content: Entry | None = None) -> DatasetIndex:
    """The index of the images of `small_coco` that a file lists."""
    annotations = write_json(folder / "a.json", content or small_coco())
    file = folder / "ids.txt"
    file.write_text(text)
    return DatasetIndex(ensure_index(annotations, folder / "cache", subset=file))


def with_string_ids(content: Entry) -> Entry:
    for entry in (*content["images"], *content["annotations"]):
        key = "image_id" if "image_id" in entry else "id"
        entry[key] = f"n{entry[key]}"
    return content


def test_a_subset_has_only_the_listed_images(tmp_path: Path) -> None:
    index = subset(tmp_path, "[30, 10]")
    assert index.image_ids() == [10, 30]
    assert index.file_name(1) == "000000000030.jpg"
    assert index.boxes(1).tolist() == [[5, 5, 15.5, 15.25, 2], [1, 2, 31, 22, 4], [10, 10, 30, 30, 4]]
    assert index.crowd(1).tolist() == [False, False, True]
    assert index.category_names == ("ant", "fox", "owl", "zebra")
    check_index(index.index_dir)


def test_a_subset_has_only_the_unused_boxes_of_its_images(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] += [box_entry(91, 10, 7, [1, 1, 0, 9]), box_entry(92, 20, 7, [1, 1, 0, 9])]
    content["annotations"].append(box_entry(93, 99, 7, [1, 1, 9, 9]))
    left_out = subset(tmp_path, "[20]", content).left_out
    assert [box.annotation_id for box in left_out.rejected] == [92]
    assert left_out.unlisted_count == len(left_out.unlisted) == 0


def test_a_subset_is_the_dataset_of_an_annotation_file_with_these_images(tmp_path: Path) -> None:
    content = small_coco()
    content["images"] = [entry for entry in content["images"] if entry["id"] != 30]
    content["annotations"] = [entry for entry in content["annotations"] if entry["image_id"] != 30]
    alone = DatasetIndex(ensure_index(write_json(tmp_path / "alone.json", content), tmp_path))
    assert subset(tmp_path, "[20, 10]").digest == alone.digest


def test_a_subset_has_its_own_digest_and_the_whole_keeps_its_own(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    whole = open_dataset(annotations, images, tmp_path).digest
    assert subset(tmp_path, "[10]").digest not in (whole, subset(tmp_path, "[20]").digest)
    assert subset(tmp_path, "[10, 20, 30]").digest == whole, "all images are no other dataset"
    assert open_dataset(annotations, images, tmp_path).digest == whole


@pytest.mark.parametrize(
    "text",
    ["[10, 30]", "[30, 10, 10]", '["10", "30"]', "10\n30\n", "\n 30\r\n10", "000000000010\n0030\n", " [\n10,\n30]\n"],
)
def test_ids_are_a_json_list_or_lines_in_any_order(text: str, tmp_path: Path) -> None:
    assert subset(tmp_path, text).image_ids() == [10, 30]


@pytest.mark.parametrize("text", ['["n10", "n30"]', "n30\nn10\n"])
def test_ids_may_be_strings(text: str, tmp_path: Path) -> None:
    index = subset(tmp_path, text, with_string_ids(small_coco()))
    assert index.image_ids() == ["n10", "n30"]
    assert index.boxes(1).shape == (3, 5)
    check_index(index.index_dir)


def test_unknown_ids_are_refused_with_their_number_and_the_first_ones(tmp_path: Path) -> None:
    ids = [10, *range(101, 109)]
    with pytest.raises(ImageListError, match="8 of 9 ids are not image ids of this dataset: 101, 102, 103, 104, 105, "):
        subset(tmp_path, json.dumps(ids))
    with pytest.raises(ImageListError, match=r": \\ud800; remove them"):
        subset(tmp_path, '["\\ud800"]')
    with pytest.raises(ImageListError, match=r"ids\.txt: 1 of 2 ids .*: x\\ny; remove them"):
        subset(tmp_path, '[10, "x\\ny"]')


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "the file is empty"),
        ("\n \n", "has no image id; expected a JSON list"),
        ("[]", "has no image id; expected a JSON list"),
        ("[10, 1.5]", r"\[1\] is 1.5; expected an integer or a string"),
        ("[true]", r"\[0\] is true; expected"),
        ("[10, ", "not JSON"),
        ('{"images": []}', "is an object; expected a JSON list of image ids, or text with one image id per line"),
    ],
)
def test_a_file_that_is_no_list_of_ids_is_refused(text: str, cause: str, tmp_path: Path) -> None:
    with pytest.raises(ImageListError, match=cause):
        subset(tmp_path, text)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    annotations = write_json(tmp_path / "a.json", small_coco())
    (tmp_path / "ids").write_bytes("[10]".encode("utf-16"))
    with pytest.raises(ImageListError, match="UTF-16LE text, expected UTF-8"):
        ensure_index(annotations, tmp_path, subset=tmp_path / "ids")
    with pytest.raises(ImageListError, match="cannot be read: No such file"):
        ensure_index(annotations, tmp_path, subset=tmp_path / "gone")


def test_dropped_boxes_of_other_images_are_not_listed(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"] += [box_entry(6, 10, 1, [1, 2, 0, 4]), box_entry(7, 20, 1, [1, 2, 0, 4])]
    index = subset(tmp_path, "[20, 30]", content)
    assert [box.annotation_id for box in index.rejected] == [7]
    assert index.dropped_count == 1


def test_a_subset_of_several_files_is_possible(tmp_path: Path) -> None:
    other = small_coco()
    for entry in (*other["images"], *other["annotations"]):
        key = "image_id" if "image_id" in entry else "id"
        entry[key] += 1
    files = [write_json(tmp_path / "0.json", small_coco()), write_json(tmp_path / "1.json", other)]
    ids = write_json(tmp_path / "ids.json", [11, 20, 31])
    index = DatasetIndex(ensure_index(files, tmp_path, subset=ids))
    assert index.image_ids() == [11, 20, 31]
    assert [index.file_name(place)[0] for place in range(3)] == ["1", "0", "1"]
    assert np.array_equal(index.boxes(0), DatasetIndex(ensure_index(files[0], tmp_path)).boxes(0))
