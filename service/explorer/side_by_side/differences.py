"""What distinguishes two samples of one image, from their documents: recipe, counts, and what became of each box."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sampler.array_table import dense_table
from sampler.config_schema import SamplerConfig
from sampler.recipe import JITTER_STEPS
from service.explorer.sample.overlay import STATES as BOX_STATES
from service.image_folders import NO_FOLDERS, ImageFolders

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
class BoxOutcome:
    """What a sample made of a box.

    Attributes:
        state: One of `STATES`.
        longer_side: In crop pixels, rounded; None outside the crop.
        reason: Why it is ignored; None if it is not, or if the reason is not known.
        radius: Of its bumps in cells; None outside the crop, or if the family has no corners.
    """

    state: str
    longer_side: int | None = None
    reason: str | None = None
    radius: int | None = None


@dataclass(frozen=True, slots=True)
class BoxRow:
    """A box of the image, and what both samples made of it.

    Attributes:
        name: Of its category.
        category: 1…C.
        size: (width, height) in image pixels, rounded.
        left: What the sample on the left made of it.
        right: What the sample on the right made of it.
    """

    name: str
    category: int
    size: tuple[int, int]
    left: BoxOutcome
    right: BoxOutcome

    @property
    def has_other_state(self) -> bool:
        """Whether the samples differ in its state."""
        return self.left.state != self.right.state

    @property
    def has_other_radius(self) -> bool:
        """Whether both samples draw it in the same way, but with different radii."""
        radii = self.left.radius, self.right.radius
        return not self.has_other_state and None not in radii and radii[0] != radii[1]


@dataclass(frozen=True, slots=True)
class Differences:
    """Two samples next to each other.

    Attributes:
        recipe: Rows of the recipe, all of them.
        counts: Rows of the counts: of boxes, and of the cells of each plane that are not background.
        boxes: Boxes with different states, then those that differ only in their radius, at most `MOST_BOXES`.
        other_states: How many boxes have different states in all.
        other_radii: How many boxes differ only in their radius in all.
        equal_boxes: How many boxes differ in neither.
        same_image: Whether both are made from the same image; else boxes are not compared.
    """

    recipe: tuple[Row, ...]
    counts: tuple[Row, ...]
    boxes: tuple[BoxRow, ...]
    other_states: int
    other_radii: int
    equal_boxes: int
    same_image: bool

    @property
    def other_boxes(self) -> int:
        """How many boxes differ in all."""
        return self.other_states + self.other_radii

    @property
    def are_none(self) -> bool:
        """Whether nothing that is compared differs."""
        return self.same_image and not self.other_boxes and not any(row.differs for row in (*self.recipe, *self.counts))


def differences(
    left: Document, right: Document, configs: Iterable[SamplerConfig], folders: ImageFolders = NO_FOLDERS
) -> Differences:
    """Return the differences of two samples.

    Args:
        left: The document of one.
        right: The document of the other.
        configs: Those that made them.
        folders: Of the dataset's images, which name them.
    """
    same = left["image"] == right["image"]
    rows = [_box_row(*pair) for pair in _pairs(left["boxes"], right["boxes"])] if same else []
    states = [row for row in rows if row.has_other_state]
    radii = [row for row in rows if row.has_other_radius]
    planes = {name: background for config in configs for name, background in _planes_of(config).items()}
    return Differences(
        recipe=tuple(_rows(_recipe(left, folders), _recipe(right, folders))),
        counts=tuple(_rows(_counts(left, planes), _counts(right, planes))),
        boxes=tuple((states + radii)[:MOST_BOXES]),
        other_states=len(states),
        other_radii=len(radii),
        equal_boxes=len(rows) - len(states) - len(radii),
        same_image=same,
    )


def _planes_of(config: SamplerConfig) -> dict[str, float]:
    """Return the background of each array that boxes are drawn into: heatmaps, valid masks and attention maps."""
    _, *targets = dense_table(config, 1)
    return {spec.name: spec.background for spec in targets if len(spec.shape) == 3}


def _rows(left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[Row]:
    for name in dict.fromkeys((*left, *right)):
        yield Row(name, left.get(name, "—"), right.get(name, "—"))


def _recipe(document: Document, folders: ImageFolders) -> dict[str, str]:
    recipe = document["recipe"]
    reference = next((box for box in document["boxes"] if box["reference"]), None)
    y, x = recipe["center"]
    gains = dict(recipe["jitter"])
    facts = {
        "image": folders.path(document["image"]["file_name"]),
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
    category, size = box["category"], (round(x1 - x0), round(y1 - y0))
    return BoxRow(category["name"], category["number"], size, _outcome(left), _outcome(right))


def _outcome(box: Document | None) -> BoxOutcome:
    if box is None:
        return BoxOutcome(DROPPED)
    state = UNTAGGED if box["untagged"] else str(box["state"])
    return BoxOutcome(state, _longer_side(box["crop"]), box["ignored_because"], box["radius"])


def _longer_side(corners: Sequence[float] | None) -> int | None:
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return round(max(x1 - x0, y1 - y0))
