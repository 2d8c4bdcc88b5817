"""Boxes and labels on pictures."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sampler.drawing.boxes import BoxLabels, draw_outline, label_text
from sampler.drawing.colours import CASING, IGNORED, OBJECT


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return set(map(tuple, np.asarray(picture).reshape(-1, 3).tolist())) - {(0, 0, 0)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("person", "person"),
        ("Fußgänger", "5: Fu?ganger"),
        ("naïve café", "naive cafe"),
        ("人", "5: ?"),
        ("why?", "why?"),
        (" \n", "category 5"),
    ],
)
def test_a_label_has_the_number_of_a_category_whose_name_cannot_be_drawn(name: str, text: str) -> None:
    assert label_text(name, 5) == text


@pytest.mark.parametrize(("side", "expected"), [(20, {OBJECT}), (21, {OBJECT, CASING})])
def test_small_boxes_have_thin_outlines(side: int, expected: set[tuple[int, ...]]) -> None:
    picture = Image.new("RGB", (64, 64))
    draw_outline(ImageDraw.Draw(picture), (8, 8, 8 + side, 8), OBJECT, thin=False)
    assert colours(picture) == expected


def test_a_label_that_meets_an_earlier_one_is_left_out() -> None:
    picture = Image.new("RGB", (200, 100))
    labels = BoxLabels(picture)
    labels.write("first", (20, 40, 60, 80), OBJECT)
    labels.write("second", (24, 44, 60, 80), IGNORED)
    assert IGNORED not in colours(picture)
    labels.write("third", (120, 40, 160, 80), IGNORED)
    assert {OBJECT, IGNORED} <= colours(picture)


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (60, 2, 63, 40), (-3, 30, 10, 60)])
def test_a_label_is_inside_the_picture(box: tuple[int, int, int, int]) -> None:
    picture = Image.new("RGB", (64, 64))
    BoxLabels(picture).write("dog", box, OBJECT)
    rows, columns = (np.asarray(picture) == OBJECT).all(axis=-1).nonzero()
    assert len(rows) > 0
    assert np.ptp(rows) == 16
    assert np.ptp(columns) > 20
