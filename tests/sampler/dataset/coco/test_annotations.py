"""Parsing and validation of annotation files."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sampler.dataset.coco.annotations import (
    UNLISTED_EXAMPLES,
    Annotations,
    LeftOut,
    parse_annotations,
    read_annotations,
)
from sampler.dataset.coco.boxes import (
    BAD_SEGMENTATION,
    NO_AREA,
    NO_BOX,
    NOT_FINITE,
    NOT_FOUR_NUMBERS,
    UnlistedBox,
)
from sampler.errors import AnnotationError
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, small_coco, write_json
from tests.support.processes import run_python


def one_image(*annotations: Entry, **image: Any) -> Entry:
    return coco([image_entry(1, **image)], annotations, [category_entry(1)])


def annotations_in(file: Path) -> Annotations:
    with file.open("rb") as stream:
        return read_annotations(stream, file)


def refusal(content: object, tmp_path: Path) -> AnnotationError:
    """The error a file gets, which names the file and is one line."""
    file = write_json(tmp_path / "bad.json", content)
    with pytest.raises(AnnotationError) as caught:
        annotations_in(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
    return caught.value


def test_columns_are_in_the_order_of_the_file() -> None:
    columns = parse_annotations(json.dumps(small_coco()).encode(), "small")
    assert columns.image_ids.tolist() == [30, 10, 20]
    assert columns.sizes.tolist() == [[48, 64], [40, 80], [48, 64]]
    assert columns.category_names == ("zebra", "ant", "fox", "owl")
    assert columns.annotation_ids.tolist() == [5, 4, 3, 2, 1]
    assert columns.boxes[1].tolist() == [0.1, 0.2, 10.7, 11.9]
    assert columns.crowd.tolist() == [False, False, False, True, False]
    assert columns.left_out.rejected == ()


@pytest.mark.parametrize("kept", [1, 40, 200, -1])
def test_a_truncated_file_is_reported_as_truncated(kept: int, tmp_path: Path) -> None:
    whole = json.dumps(small_coco()).encode()
    file = tmp_path / "cut.json"
    file.write_bytes(whole[:kept])
    with pytest.raises(AnnotationError, match="truncated"):
        annotations_in(file)


def test_text_that_is_not_json_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "text.json"
    file.write_text('{"images": [}')
    with pytest.raises(AnnotationError) as caught:
        annotations_in(file)
    assert caught.value.place == "byte 12"
    assert caught.value.cause.startswith("not JSON")


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_the_place_of_an_error_is_counted_in_the_file_as_it_is(start: bytes) -> None:
    text = start + b'{"x": [NaN, -Infinity, "NaN"], "images": [}'
    with pytest.raises(AnnotationError) as caught:
        parse_annotations(text, "file")
    assert caught.value.place == f"byte {len(text) - 1}"


def test_a_nan_does_not_hide_that_a_file_is_not_json() -> None:
    with pytest.raises(AnnotationError, match="not JSON"):
        parse_annotations(b'{"images": [], "x": NaN, }', "file")
    with pytest.raises(AnnotationError, match="not COCO"):
        parse_annotations(b'{"images": NaN}', "file")


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_list_is_named(key: str, tmp_path: Path) -> None:
    content = small_coco()
    del content[key]
    assert f"missing required field `{key}`" in refusal(content, tmp_path).cause


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content.update(images={}), "$.images"),
        (lambda content: content["annotations"][3].update(bbox="1 2 3 4"), "$.annotations[3].bbox"),
        (lambda content: content["annotations"][3].update(bbox=[1, 2, "3", 4]), "$.annotations[3].bbox[2]"),
        (lambda content: content["annotations"][1].update(id="x"), "$.annotations[1].id"),
        (lambda content: content["annotations"][1].update(image_id=1.5), "$.annotations[1].image_id"),
        (lambda content: content["images"][1].update(id=None), "$.images[1].id"),
        (lambda content: content["images"][2].update(id=2**63), "$.images[2].id"),
        (lambda content: content["images"][2].update(width="640"), "$.images[2].width"),
        (lambda content: content["categories"][0].pop("name"), "$.categories[0]"),
        (lambda content: content["annotations"][4].pop("image_id"), "$.annotations[4]"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(change: Any, place: str, tmp_path: Path) -> None:
    content = small_coco()
    change(content)
    assert refusal(content, tmp_path).place == place


def test_a_file_that_holds_a_list_is_not_coco(tmp_path: Path) -> None:
    assert "not COCO" in refusal([], tmp_path).cause


@pytest.mark.parametrize("what", ["images", "categories"])
def test_an_id_used_twice_is_refused_where_it_is_used_again(what: str, tmp_path: Path) -> None:
    content = small_coco()
    content[what][2]["id"] = content[what][0]["id"]
    error = refusal(content, tmp_path)
    assert error.place == f"$.{what}[2].id"
    assert str(content[what][0]["id"]) in error.cause


@pytest.mark.parametrize("what", ["images", "categories"])
def test_a_file_without_images_or_categories_is_refused(what: str, tmp_path: Path) -> None:
    content = small_coco()
    content[what] = []
    assert refusal(content, tmp_path).place == f"$.{what}"


def test_an_annotation_of_an_unknown_category_is_named_with_the_value(tmp_path: Path) -> None:
    content = small_coco()
    content["annotations"][2]["category_id"] = 0
    error = refusal(content, tmp_path)
    assert error.place == "$.annotations[2].category_id"
    assert "annotation 3 has category_id 0" in error.cause


@pytest.mark.parametrize("unlisted", [999, -5, "x", "30 "])
def test_boxes_of_unlisted_images_are_ignored_and_counted_as_pycocotools_does(unlisted: int | str) -> None:
    content = small_coco()
    content["annotations"][2] |= {"image_id": unlisted, "category_id": 0, "bbox": [1, 2, 0, 0]}
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.annotation_ids.tolist() == [5, 4, 2, 1]
    assert columns.left_out == LeftOut((), (UnlistedBox(3, unlisted),), 1)


def test_only_the_first_boxes_of_unlisted_images_are_listed() -> None:
    boxes = [box_entry(number, 2, 1, [1, 2, 3, 4]) for number in range(UNLISTED_EXAMPLES + 5)]
    left_out = parse_annotations(json.dumps(one_image(*boxes)).encode(), "x").left_out
    assert left_out.unlisted_count == UNLISTED_EXAMPLES + 5
    assert [box.annotation_id for box in left_out.unlisted] == list(range(UNLISTED_EXAMPLES))


def test_boxes_find_their_image_by_an_integer_or_its_text() -> None:
    content = small_coco()
    for entry in content["annotations"]:
        entry["image_id"] = str(entry["image_id"])
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.string_ids == ()
    assert columns.box_image_ids.tolist() == [30, 10, 30, 30, 10]
    content = small_coco()
    content["images"][0]["id"] = "30"
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.string_ids == ("30", "10", "20")
    assert columns.image_ids.tolist() == [2, 0, 1], "by code point"
    assert columns.box_image_ids.tolist() == [2, 0, 2, 2, 0]
    assert columns.left_out == LeftOut()


@pytest.mark.parametrize(("image_id", "reference"), [(1, "1"), ("1", 1)])
def test_a_dropped_box_names_its_image_as_the_images_do(image_id: int | str, reference: int | str) -> None:
    content = one_image(box_entry(7, reference, 1, [1, 2, 0, 4]))
    content["images"][0]["id"] = image_id
    [rejected] = parse_annotations(json.dumps(content).encode(), "x").left_out.rejected
    assert rejected.image_id == image_id


def test_an_integer_and_its_text_are_the_same_id(tmp_path: Path) -> None:
    content = small_coco()
    content["images"][2]["id"] = "30"
    error = refusal(content, tmp_path)
    assert (error.place, error.cause) == ("$.images[2].id", "id '30' is used more than once")


@pytest.mark.parametrize("area", [None, "12", True, [1], {"a": 1}, float("nan"), 10**400])
def test_an_area_that_is_not_a_number_does_not_matter(area: object) -> None:
    box = box_entry(1, 1, 1, [1, 2, 3, 4])
    content = one_image(box | {"area": area}, box | {"area": 7}, box | {"area": 7.5}, box)
    areas = parse_annotations(json.dumps(content).encode(), "x").areas
    assert np.array_equal(areas, [np.nan, 7, 7.5, np.nan], equal_nan=True)


@pytest.mark.parametrize("group", [None, 5, ["animal"]])
def test_a_supercategory_that_is_not_text_does_not_matter(group: object) -> None:
    content = one_image()
    content["categories"] = [category_entry(1) | {"supercategory": group}, category_entry(2)]
    assert parse_annotations(json.dumps(content).encode(), "x").supercategories == ("", "thing")


OUTLINE = [[5, 10, 25, 10, 25, 30, 5, 30]]


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [5, 10, 20, 0], [5, 10, 0.0, 20], [5, 10, 0, -3]])
def test_a_box_without_area_is_taken_from_a_usable_segmentation(box: list[float]) -> None:
    content = one_image(box_entry(1, 1, 1, box, segmentation=OUTLINE), box_entry(2, 1, 1, [1, 2, 3, 4]))
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.boxes.tolist() == [[5, 10, 20, 20], [1, 2, 3, 4]]
    assert columns.left_out == LeftOut()


@pytest.mark.parametrize("box", [[5, 10, -1, 20], [5, 10, float("nan"), 0.5], [5, 10, 20, 20]])
def test_any_other_box_is_not_replaced_by_the_segmentation(box: list[float]) -> None:
    content = one_image(box_entry(1, 1, 1, box, segmentation=[[0, 0, 9, 0, 9, 9]]))
    assert [0, 0, 9, 9] not in parse_annotations(json.dumps(content).encode(), "x").boxes.tolist()


@pytest.mark.parametrize(("outline", "detail"), [(None, ""), ([], ""), ([[1, 2]], "segmentation is not usable")])
def test_a_box_without_area_and_without_a_usable_segmentation_is_listed_as_it_is(outline: object, detail: str) -> None:
    content = one_image(box_entry(1, 1, 1, [5, 10, 0, 20], segmentation=outline))
    [rejected] = parse_annotations(json.dumps(content).encode(), "x").left_out.rejected
    assert (rejected.reason, rejected.box) == (NO_AREA, (5, 10, 0, 20))
    assert rejected.detail.startswith(detail)
    assert bool(rejected.detail) == bool(detail)


@pytest.mark.parametrize("outline", [b'{"counts": "\xf3", "size": [48, 64]}', b'[["\xff"]]'])
def test_a_segmentation_that_is_not_utf8_drops_its_box_only(outline: bytes) -> None:
    content = one_image(box_entry(1, 1, 1, None, segmentation="HERE"))
    data = json.dumps(content).encode().replace(b'"HERE"', outline)
    for annotations in (parse_annotations(data, "x"), read_annotations(BytesIO(data), "x", 64)):
        [rejected] = annotations.left_out.rejected
        assert (rejected.reason, rejected.detail) == (BAD_SEGMENTATION, "it is not valid JSON in UTF-8")


@pytest.mark.parametrize("side", [0, -3, 2.5, None, float("nan"), float("inf"), 2**31, 10**400, -(10**400)])
@pytest.mark.parametrize("field", ["width", "height"])
def test_an_image_without_a_usable_size_is_refused(field: str, side: float | None, tmp_path: Path) -> None:
    content = small_coco()
    content["images"][1][field] = side
    error = refusal(content, tmp_path)
    assert error.place == "$.images[1]"
    assert "image 10" in error.cause


@pytest.mark.parametrize("field", ["width", "height"])
def test_an_image_whose_size_is_absent_is_refused(field: str, tmp_path: Path) -> None:
    content = small_coco()
    del content["images"][1][field]
    assert "None" in refusal(content, tmp_path).cause


@pytest.mark.parametrize(
    "name",
    ["", ".", "./", "/etc/passwd", "../a.jpg", "a/../../b.jpg", "..", "a\\b.jpg", "..\\a.jpg", "a\0.jpg"],
)
def test_a_file_name_may_not_leave_the_image_folder(name: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        parse_annotations(json.dumps(one_image(file_name=name)).encode(), "x")
    assert caught.value.place == "$.images[0].file_name"


@pytest.mark.parametrize("name", ["a.jpg", "train/a.jpg", "a b/ü..jpg", "x/..a", "./a.jpg"])
def test_a_file_name_may_have_subfolders(name: str) -> None:
    assert parse_annotations(json.dumps(one_image(file_name=name)).encode(), "x").file_names == (name,)


def test_lvis_images_are_named_by_the_end_of_their_url() -> None:
    content = one_image()
    del content["images"][0]["file_name"]
    content["images"][0]["coco_url"] = "http://images.cocodataset.org/train2017/000000391895.jpg"
    assert parse_annotations(json.dumps(content).encode(), "x").file_names == ("train2017/000000391895.jpg",)


@pytest.mark.parametrize("url", [None, "http://host/%2e%2e/a.jpg"])
def test_an_image_that_names_no_usable_file_is_refused(url: str | None, tmp_path: Path) -> None:
    content = one_image(coco_url=url)
    del content["images"][0]["file_name"]
    assert "image 1" in refusal(content, tmp_path).cause


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([1, 2, float("nan"), 4], NOT_FINITE),
        ([float("-inf"), 2, 3, 4], NOT_FINITE),
        ([1, 2, None, 4], NOT_FINITE),
        ([1e39, 2, 3, 4], NOT_FINITE),
        ([1, 2, 3], NOT_FOUR_NUMBERS),
        ([1, 2, 3, 4, 5], NOT_FOUR_NUMBERS),
        ([1, 2, 0, 4], NO_AREA),
        ([1, 2, 3, -4], NO_AREA),
        ([1000.0, 2, 1e-5, 4], NO_AREA),
        ([], NO_BOX),
        (None, NO_BOX),
    ],
)
def test_an_invalid_box_is_dropped_and_listed(box: list[float | None] | None, reason: str) -> None:
    content = one_image(box_entry(7, 1, 1, [1, 2, 3, 4]), box_entry(8, 1, 1, box), box_entry(9, 1, 1, [5, 6, 7, 8]))
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.annotation_ids.tolist() == [7, 9]
    [rejected] = columns.left_out.rejected
    assert (rejected.annotation_id, rejected.image_id, rejected.reason) == (8, 1, reason)
    finite = [side if side is not None and np.isfinite(side) else None for side in box or []]
    assert list(rejected.box) == finite


def test_nan_inside_strings_is_kept() -> None:
    content = one_image(box_entry(7, 1, 1, [float("nan"), 2, 3, 4]), file_name='NaN "Infinity" -Infinity.jpg')
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.file_names == ('NaN "Infinity" -Infinity.jpg',)
    assert len(columns.left_out.rejected) == 1


def test_a_byte_order_mark_is_skipped() -> None:
    assert len(parse_annotations(b"\xef\xbb\xbf" + json.dumps(small_coco()).encode(), "x").boxes) == 5


def test_boxes_outside_the_image_are_kept() -> None:
    content = one_image(box_entry(1, 1, 1, [-5, -5, 10, 10]), box_entry(2, 1, 1, [1000, 1000, 10, 10]))
    assert len(parse_annotations(json.dumps(content).encode(), "x").boxes) == 2


def test_a_polygon_an_rle_and_a_compressed_rle_of_one_shape_give_its_box() -> None:
    from pycocotools import mask as coco_mask

    shape = np.zeros((48, 64), np.uint8, order="F")
    shape[10:30, 5:25] = 1
    packed = coco_mask.encode(shape)
    flat = shape.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    outlines: list[object] = [
        [[5, 10, 25, 10, 25, 30, 5, 30]],
        [[5, 10, 15, 10, 15, 30, 5, 30], [15, 10, 25, 10, 25, 30, 15, 30]],
        {"size": [48, 64], "counts": counts},
        {"size": [48, 64], "counts": packed["counts"].decode()},
    ]
    content = one_image(*(box_entry(n, 1, 1, None, segmentation=outline) for n, outline in enumerate(outlines)))
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.left_out.rejected == ()
    assert columns.boxes.tolist() == [[5, 10, 20, 20]] * 4


@pytest.mark.parametrize(
    "outline",
    [
        "text",
        5,
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [1, 2, 3, 4, 5, 6],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 1e12]],
        [[1, 2, 3, 4, 5, "6"]],
        {"size": [48, 64]},
        {"counts": [3072]},
        {"size": [64, 48], "counts": [3072]},
        {"size": [48, 64], "counts": [1, 2]},
        {"size": [48, 64], "counts": [-1, 3073]},
        {"size": [48, 64], "counts": [1.5, 3070.5]},
        {"size": [48, 64], "counts": "oooo"},
        {"size": [48, 64], "counts": ""},
        {"size": [48, 64], "counts": "é"},
        {"size": [48, 64], "counts": "0_"},
    ],
)
def test_an_unusable_segmentation_is_an_invalid_box(outline: object) -> None:
    content = one_image(box_entry(1, 1, 1, None, segmentation=outline), box_entry(2, 1, 1, [1, 2, 3, 4]))
    columns = parse_annotations(json.dumps(content).encode(), "x")
    assert columns.annotation_ids.tolist() == [2]
    assert columns.left_out.rejected[0].reason == BAD_SEGMENTATION
    assert columns.left_out.rejected[0].detail


def test_a_segmentation_that_covers_nothing_has_no_area() -> None:
    content = one_image(box_entry(1, 1, 1, None, segmentation={"size": [48, 64], "counts": [48 * 64]}))
    assert parse_annotations(json.dumps(content).encode(), "x").left_out.rejected[0].reason == NO_AREA


def test_pycocotools_is_imported_only_for_annotations_without_a_box(tmp_path: Path) -> None:
    file = write_json(tmp_path / "small.json", small_coco())
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.coco.annotations import parse_annotations\n"
        f"parse_annotations(Path({str(file)!r}).read_bytes(), 'small')\n"
        "assert not any('pycocotools' in name for name in sys.modules)"
    )
    run_python("-c", code)
