"""Boxes of a sample as shapes over its pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.explorer.sample.contents import PictureName

STATES = {"object": "object", "ignored": "ignored", "outside": "outside the crop"}
MARKS = {
    "crowd": "crowd box", "reference": "reference of the scale", "untagged": "untagged", "cut_off": "cut off",
}  # fmt: skip
"""Further properties of boxes in words, by their names in the document of a sample."""

_RIGHT = 0.6
"""A label of a box that begins beyond this part of the picture ends at the box's right edge."""

_TOP = 0.05
"""Part of the picture at whose top there is no room for a label above a box."""

Rectangle = tuple[float, float, float, float]
"""Left, top, width and height."""


@dataclass(frozen=True, slots=True)
class BoxShape:
    """A box as a picture shows it. Positions are in pixels of the picture.

    Attributes:
        row: Of the box in the table of boxes.
        classes: For the style: its state and its marks.
        name: Of its category.
        meaning: Its state and marks in words.
        left: Of the box.
        top: Of the box.
        width: Of the box.
        height: Of the box.
        label_x: Where its label begins, or ends if `ends`.
        ends: Whether the label ends there.
        above: Whether the label is above the box.
    """

    row: int
    classes: str
    name: str
    meaning: str
    left: float
    top: float
    width: float
    height: float
    label_x: float
    ends: bool
    above: bool


def meaning_of(box: Mapping[str, Any]) -> str:
    """Return what became of a box, in words. box: as in the document of a sample."""
    because = box["ignored_because"]
    state = f"{STATES[box['state']]}: {because}" if because else STATES[box["state"]]
    return ", ".join([state, *(words for mark, words in MARKS.items() if box[mark])])


def classes_of(box: Mapping[str, Any]) -> str:
    """Return the style's classes of a box."""
    return " ".join([box["state"], *(mark.replace("_", "-") for mark in MARKS if box[mark])])


def box_shapes(boxes: Sequence[Mapping[str, Any]], place: PictureName, view: Rectangle) -> list[BoxShape]:
    """Return the boxes of a picture, the largest first, so that smaller ones lie above it.

    boxes: as in the document of a sample. view: the part of the plane that the picture shows.
    """
    shown = [(box, box[place]) for box in boxes if box[place] is not None]
    shown.sort(key=lambda pair: -_area(pair[1]))
    return [_shape(box, corners, view) for box, corners in shown]


def view_of(width: float, height: float, window: Sequence[float]) -> Rectangle:
    """Return the part of the plane that shows an image and the whole window of its crop, which may exceed the image."""
    left, top = min(0.0, window[0]), min(0.0, window[1])
    return left, top, max(width, window[2]) - left, max(height, window[3]) - top


def _shape(box: Mapping[str, Any], corners: Sequence[float], view: Rectangle) -> BoxShape:
    x0, y0, x1, y1 = (round(value, 2) for value in corners)
    left, top, width, height = view
    ends = x0 > left + _RIGHT * width
    return BoxShape(
        row=box["row"],
        classes=classes_of(box),
        name=box["category"]["name"],
        meaning=meaning_of(box),
        left=x0,
        top=y0,
        width=round(x1 - x0, 2),
        height=round(y1 - y0, 2),
        label_x=min(x1, left + width) if ends else max(x0, left),
        ends=ends,
        above=y0 > top + _TOP * height,
    )


def _area(corners: Sequence[float]) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])
