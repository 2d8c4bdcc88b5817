"""Boxes over the pictures of a sample."""

from typing import Any

from service.explorer.sample.overlay import box_shapes, classes_of, meaning_of, view_of

VIEW = (0.0, 0.0, 255.0, 255.0)


def box(row: int, crop: list[float] | None, state: str = "object", **marks: bool | str) -> dict[str, Any]:
    fixed = {"crowd": False, "reference": False, "untagged": False, "cut_off": False, "ignored_because": None}
    return {"row": row, "category": {"number": 1, "name": "cat"}, "original": [0.0, 0.0, 9.0, 9.0], "crop": crop,
            "state": state} | fixed | marks  # fmt: skip


def test_small_boxes_lie_above_large_ones_and_boxes_outside_are_left_out() -> None:
    boxes = [box(0, [10, 10, 20, 20]), box(1, [0, 0, 200, 200]), box(2, None, "outside")]
    assert [shape.row for shape in box_shapes(boxes, "crop", VIEW)] == [1, 0]
    assert {shape.row for shape in box_shapes(boxes, "original", VIEW)} == {0, 1, 2}


def test_a_box_says_everything_that_became_of_it() -> None:
    marked = box(0, [0, 0, 9, 9], "ignored", crowd=True, reference=True, cut_off=True)
    assert meaning_of(marked) == "ignored, crowd box, reference of the scale, cut off"
    assert classes_of(marked) == "ignored crowd reference cut-off"
    small = box(0, [0, 0, 3, 3], "ignored", ignored_because="too small", cut_off=True)
    assert meaning_of(small) == "ignored: too small, cut off"


def test_labels_stay_within_the_picture() -> None:
    [shape] = box_shapes([box(0, [200, 2, 255, 90])], "crop", VIEW)
    assert (shape.ends, shape.label_x, shape.above) == (True, 255, False)
    [shape] = box_shapes([box(0, [10, 100, 60, 140])], "crop", VIEW)
    assert (shape.ends, shape.label_x, shape.above) == (False, 10, True)


def test_the_original_is_shown_with_the_whole_window() -> None:
    assert view_of(640, 480, [-20.0, 100.0, 300.0, 500.0]) == (-20.0, 0.0, 660.0, 500.0)
    assert view_of(640, 480, [20.0, 100.0, 300.0, 300.0]) == (0.0, 0.0, 640, 480)
