"""A sample as the pages show it: pictures on top of each other, boxes with names, and its counts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.explorer.compare.differences import STATES, Document

BOXES = "boxes"
"""Name of the layer of boxes, which is drawn in the page."""

CROP = "crop"
"""Name of the layer of the crop's pixels."""

MOST_SHOWN_BOXES = 300
"""Most boxes that are drawn, the largest of the image's."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a layer."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ShownBox:
    """A box of the crop in crop pixels, with the classes of its state."""

    x: float
    y: float
    width: float
    height: float
    classes: str
    label: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample as the templates show it.

    Attributes:
        title: Of its card.
        name: The sample in words.
        side: Of the crop in pixels.
        pictures: From bottom to top.
        boxes: Those in the crop, largest first; None if they are not shown.
        counts: Of the boxes.
    """

    title: str
    name: str
    side: int
    pictures: tuple[Picture, ...]
    boxes: tuple[ShownBox, ...] | None
    counts: dict[str, int]

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


def show_sample(
    title: str, name: str, document: Document, layers: Sequence[str], labels: dict[str, str], url: Callable[[str], str]
) -> Shown:
    """Return a sample for a template.

    Args:
        title: Of its card.
        name: The sample in words.
        document: Of the sample.
        layers: Names of the layers to show.
        labels: Names of all layers in words, by name, from bottom to top.
        url: Returns the URL of the picture of a layer.
    """
    side = int(document["crop"]["shape"][0])
    return Shown(
        title=title,
        name=name,
        side=side,
        pictures=tuple(Picture(labels[one], url(one)) for one in labels if one in layers and one != BOXES),
        boxes=tuple(_boxes(document)) if BOXES in layers else None,
        counts=dict(document["counts"]),
    )


def _boxes(document: Document) -> Iterator[ShownBox]:
    inside = [box for box in document["boxes"] if box["crop"] is not None]
    inside.sort(key=_area, reverse=True)
    for box in inside[:MOST_SHOWN_BOXES]:
        x0, y0, x1, y1 = box["crop"]
        marks = [name for name in ("crowd", "reference") if box[name]]
        yield ShownBox(
            x=round(x0, 1),
            y=round(y0, 1),
            width=round(max(x1 - x0, 0.5), 1),  # a box of no width would not be drawn
            height=round(max(y1 - y0, 0.5), 1),
            classes=" ".join((box["state"], *marks)),
            label=_label(box, marks),
        )


def _label(box: Any, marks: Sequence[str]) -> str:
    x0, y0, x1, y1 = box["crop"]
    words = [STATES[box["state"]], *marks, f"{round(x1 - x0)} × {round(y1 - y0)} px"]
    return f"{box['category']['name']}: {', '.join(words)}"


def _area(box: Any) -> float:
    x0, y0, x1, y1 = box["crop"]
    return float((x1 - x0) * (y1 - y0))
