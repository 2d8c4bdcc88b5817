"""What distinguishes two samples of one image, from their documents: recipe, counts, and what became of each box."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sampler.array_table import dense_table
from sampler.config.schema import SamplerConfig
from sampler.recipe import JITTER_STEPS
from service.explorer.sample.overlay import STATES as BOX_STATES

Document = Mapping[str, Any]
"""What `service.explorer.inspection.sample_document` returns."""

DROPPED = "dropped"
"""State of a crowd box that a config drops."""

UNTAGGED = "untagged"
"""State of an object that has no tags."""

STATES = {**BOX_STATES, UNTAGGED: "untagged object", DROPPED: "dropped crowd box"}
"""Each state of a box in words."""

MOST_BOXES = 100
"""Most boxes that are listed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact of both samples, as text."""

    name: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        """Whether the samples differ in it."""
        return self.left != self.right


@dataclass(frozen=True, slots=True)
class BoxRow:
    """A box of the image of which the samples made different things.

    Attributes:
        name: Of its category.
        category: 1…C.
        size: (width, height) in image pixels, rounded.
        left: Its state, one of `STATES`.
        right: See `left`.
        sides: (left, right) longer side in crop pixels, rounded; None outside the crop.
        reasons: (left, right) why it is ignored; None if it is not, or if the reason is not known.
    """

    name: str
    category: int
    size: tuple[int, int]
    left: str
    right: str
    sides: tuple[int | None, int | None]
    reasons: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Differences:
    """Two samples next to each other.

    Attributes:
        recipe: Rows of the recipe, all of them.
        counts: Rows of the counts: of boxes, and of the cells of each plane that are not background.
        boxes: Boxes with different states, at most `MOST_BOXES`.
        other_boxes: How many boxes have different states in all.
        equal_boxes: How many boxes have the same state.
        same_image: Whether both are made from the same image; else boxes are not compared.
    """

    recipe: tuple[Row, ...]
    counts: tuple[Row, ...]
    boxes: tuple[BoxRow, ...]
    other_boxes: int
    equal_boxes: int
    same_image: bool

    @property
    def are_none(self) -> bool:
        """Whether nothing that is compared differs."""
        return self.same_image and not self.other_boxes and not any(row.differs for row in (*self.recipe, *self.counts))


def planes_of(config: SamplerConfig) -> dict[str, float]:
    """Return the background of each array that boxes are drawn into: heatmaps, valid masks and attention maps."""
    _, *targets = dense_table(config, 1)
    return {spec.name: spec.background for spec in targets if len(spec.shape) == 3}


def differences(left: Document, right: Document, planes: Mapping[str, float]) -> Differences:
    """Return the differences of two samples. left, right: their documents. planes: `planes_of` both configs."""
    same = left["image"] == right["image"]
    pairs = list(_pairs(left["boxes"], right["boxes"])) if same else []
    others = [row for row in (_box_row(*pair) for pair in pairs) if row.left != row.right]
    return Differences(
        recipe=tuple(_rows(_recipe(left), _recipe(right))),
        counts=tuple(_rows(_counts(left, planes), _counts(right, planes))),
        boxes=tuple(others[:MOST_BOXES]),
        other_boxes=len(others),
        equal_boxes=len(pairs) - len(others),
        same_image=same,
    )


def _rows(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Row]:
    for name in dict.fromkeys((*left, *right)):
        yield Row(name, left.get(name, "—"), right.get(name, "—"))


def _recipe(document: Document) -> dict[str, str]:
    recipe = document["recipe"]
    reference = next((box for box in document["boxes"] if box["reference"]), None)
    y, x = recipe["center"]
    gains = dict(recipe["jitter"])
    facts = {
        "image": str(document["image"]["file_name"]),
        "scale": f"{recipe['scale']:.4g}",
        "reference box": "none" if reference is None else f"{reference['category']['name']}, box {reference['row']}",
        "centre": f"x {x}, y {y}",
        "flip": "left and right swapped" if recipe["flip"] else "no",
    }
    facts |= {step: f"× {gains[step]:.3f}" if step in gains else "unchanged" for step in JITTER_STEPS}
    if len(gains) > 1:
        facts["order of jitter"] = ", ".join(gains)
    normals = recipe["lighting"]
    return facts | {"lighting": ", ".join(f"{normal:+.3f}" for normal in normals) if any(normals) else "none"}


def _counts(document: Document, backgrounds: Mapping[str, float]) -> dict[str, str]:
    facts = {name: str(count) for name, count in document["counts"].items()}
    return facts | dict(_marked_cells(document["arrays"], backgrounds))


def _marked_cells(arrays: Mapping[str, Any], backgrounds: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for name, background in backgrounds.items():
        if name not in arrays:
            continue
        nonzero = arrays[name]["nonzero"]
        if background:  # a mask, whose cells around ignored boxes are 0
            yield f"cells without loss ({name})", str(math.prod(arrays[name]["shape"]) - nonzero)
        else:
            yield f"cells above 0 ({name})", str(nonzero)


def _pairs(left: Iterable[Document], right: Iterable[Document]) -> Iterator[tuple[Document | None, Document | None]]:
    """Yield each box as it is in both samples. A config may drop crowd boxes, so rows are no names of boxes."""
    waiting: dict[tuple[object, ...], list[Document]] = defaultdict(list)
    for box in right:
        waiting[_identity(box)].append(box)
    for box in left:
        same = waiting[_identity(box)]
        yield box, same.pop(0) if same else None
    yield from ((None, box) for boxes in waiting.values() for box in boxes)


def _identity(box: Document) -> tuple[object, ...]:
    return box["category"]["number"], box["crowd"], *box["original"]


def _box_row(left: Document | None, right: Document | None) -> BoxRow:
    [box, *_] = (one for one in (left, right) if one is not None)
    x0, y0, x1, y1 = box["original"]
    states = [_state(one) for one in (left, right)]
    return BoxRow(
        name=box["category"]["name"],
        category=box["category"]["number"],
        size=(round(x1 - x0), round(y1 - y0)),
        left=states[0],
        right=states[1],
        sides=(_longer_side(left), _longer_side(right)),
        reasons=(_reason(left), _reason(right)),
    )


def _reason(box: Document | None) -> str | None:
    return None if box is None else box["ignored_because"]


def _state(box: Document | None) -> str:
    if box is None:
        return DROPPED
    return UNTAGGED if box["untagged"] else str(box["state"])


def _longer_side(box: Document | None) -> int | None:
    if box is None or box["crop"] is None:
        return None
    x0, y0, x1, y1 = map(float, box["crop"])
    return round(max(x1 - x0, y1 - y0))
