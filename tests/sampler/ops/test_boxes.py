"""Boxes are computed in float32 like in the published sampler."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sampler.ops import boxes as box
from sampler.ops.boxes import Boxes

SIDES = st.floats(-1e4, 1e4, width=32)
ROWS = st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=8)


def boxes_of(rows: list[tuple[float, ...]]) -> Boxes:
    return np.array([[*row, 1 + number] for number, row in enumerate(rows)], np.float32).reshape(-1, 5)


@given(ROWS, st.integers(0, 500), st.integers(0, 500))
def test_clipping_returns_boxes_with_area_and_their_rows(
    rows: list[tuple[float, ...]], right: int, bottom: int
) -> None:
    boxes = boxes_of(rows)
    before = boxes.copy()
    clipped, kept = box.clip(boxes, 0, 0, right, bottom)
    assert (boxes == before).all()
    assert clipped.dtype == np.float32
    expected = []
    for number, (*corners, category) in enumerate(boxes.tolist()):
        x0, x1 = (min(max(side, 0), right) for side in corners[::2])
        y0, y1 = (min(max(side, 0), bottom) for side in corners[1::2])
        if x1 > x0 and y1 > y0:
            expected.append((number, [x0, y0, x1, y1, category]))
    assert kept.tolist() == [number for number, _ in expected]
    assert clipped.tolist() == [row for _, row in expected]


@given(ROWS, st.integers(1, 4096))
def test_flipping_twice_restores_the_box_up_to_rounding(rows: list[tuple[float, ...]], width: int) -> None:
    boxes = boxes_of(rows)
    np.testing.assert_allclose(box.flip(box.flip(boxes, width), width), boxes, atol=2e-3)


def test_flipping_mirrors_pixels_not_edges() -> None:
    assert box.flip(boxes_of([(10, 1, 30, 2)]), 255).tolist() == [[224, 1, 244, 2, 1]]


def test_scaling_computes_in_the_precision_of_the_factor() -> None:
    boxes = boxes_of([(123.45, 67.89, 234.56, 345.67)])
    scaled = box.scale(boxes, np.float64(0.7), np.float32(0.7))
    assert scaled[0, 0] == boxes[0, 0] * np.float32(0.7)
    assert scaled[0, 1] == np.float32(float(boxes[0, 1]) * 0.7)
    assert scaled[0, 4] == 1


def test_overflow_becomes_infinite_without_a_warning() -> None:
    boxes = boxes_of([(0, 0, 3e38, 3e38)])
    assert box.areas(boxes).tolist() == [np.inf]
    assert box.scale(boxes, np.float32(8), 2.0)[0, 2:4].tolist() == [np.inf, np.inf]


def test_sides_areas_and_shifts() -> None:
    boxes = boxes_of([(1.5, 2.0, 4.25, 9.0), (0, 0, 3, 1)])
    assert box.areas(boxes).tolist() == [19.25, 3]
    assert box.longest_sides(boxes).tolist() == [7, 3]
    assert box.whole_pixel_sides(boxes_of([(1.9, 2.0, 4.1, 4.9)])).tolist() == [3]
    assert box.shift(boxes, 10, -1)[0].tolist() == [0.5, 12, 3.25, 19, 1]
    assert box.areas(boxes_of([])).shape == (0,)
