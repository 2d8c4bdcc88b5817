"""One sample looked at closely: every box with what became of it, every dense array with its statistics."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays
from sampler.config.schema import SamplerConfig
from sampler.families.crop_plan import CropPlan
from sampler.families.registry import family_of
from sampler.kernels.reference import NUMPY
from sampler.layouts.convert import lay_out
from sampler.ops.boxes import Boxes, clip
from sampler.ops.resize import Image
from sampler.ops.targets import untagged
from sampler.recipe import Recipe
from sampler.sample.sample import SampleSource, fill_sample, load_inputs
from sampler.stream.keys import SampleKey

State = Literal["object", "ignored", "outside"]
Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


class DebugSource(SampleSource, Protocol):
    """What a close look needs of a dataset; `sampler.dataset.dataset.Dataset` is one."""

    @property
    def category_names(self) -> tuple[str, ...]:
        """C names; category k of a box is called `category_names[k - 1]`."""
        ...

    def image_id(self, index: int) -> int:
        """Return the COCO image id."""
        ...

    def file_name(self, index: int) -> str:
        """Return the image's path below the image folder."""
        ...

    def crowd(self, index: int) -> NDArray[np.bool_]:
        """Return (N,) bool: which boxes of the image, crowd boxes included, are crowd boxes."""
        ...


@dataclass(frozen=True, slots=True)
class BoxFate:
    """One of an image's boxes and what the sample made of it.

    row: its place among the image's boxes as the config keeps them. category: 1…C. original: x0, y0, x1, y1 in image
    pixels, unclipped. cropped: the same in crop pixels, None when the box lies outside the crop. is_reference: the
    scale was chosen for it.
    """

    row: int
    category: int
    name: str
    original: Corners
    cropped: Corners | None
    state: State
    crowd: bool
    is_reference: bool

    def as_dict(self) -> dict[str, Any]:
        """The box as it stands in the sample's document."""
        return {
            "row": self.row,
            "category": {"number": self.category, "name": self.name},
            "original": list(self.original),
            "crop": None if self.cropped is None else list(self.cropped),
            "state": self.state,
            "crowd": self.crowd,
            "reference": self.is_reference,
        }


@dataclass(frozen=True, slots=True)
class PlaneNames:
    """A plane array to show.

    Attributes:
        title: Heading.
        heats: (C, h, w) array with values from 0 to 1.
        valids: (C, h, w) array with 0 on ignored areas, if there is one.
    """

    title: str
    heats: str
    valids: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """A sample with everything it was made of.

    image: (H, W, 3) uint8 BGR. crop: (S, S, 3) uint8 BGR. dense: the arrays of `sampler.array_table.dense_table`.
    untagged: how many objects have no row in tags and offsets, for want of room.
    """

    key: SampleKey
    config: SamplerConfig
    augment: bool
    image_id: int
    file_name: str
    image: Image
    recipe: Recipe
    plan: CropPlan
    crop: Image
    dense: Arrays
    boxes: tuple[BoxFate, ...]
    category_count: int
    untagged: int

    @property
    def ignores_boxes(self) -> bool:
        """Whether boxes in the crop can be ignored."""
        return family_of(self.config).ignores_boxes

    @property
    def planes(self) -> tuple[PlaneNames, ...]:
        """The plane arrays of the config's detector family."""
        family = family_of(self.config)
        names = family.corner_names(self.config)
        if names is None:
            specs = family.target_specs(self.config, self.category_count)
            return tuple(PlaneNames(spec.name, spec.name) for spec in specs if spec.sparse is not None)
        top_left, bottom_right = names.top_left, names.bottom_right
        return (
            PlaneNames("Top-left corners", top_left.heats, top_left.valids),
            PlaneNames("Bottom-right corners", bottom_right.heats, bottom_right.valids),
        )

    @property
    def attentions(self) -> tuple[str, ...]:
        """The arrays of the config's attention maps."""
        names = family_of(self.config).corner_names(self.config)
        return () if names is None else names.attentions

    def count(self, state: State) -> int:
        """How many boxes ended in `state`."""
        return sum(box.state == state for box in self.boxes)

    @property
    def counts(self) -> dict[str, int]:
        """Objects, ignored boxes, boxes outside the crop, and objects without a row in the tags."""
        return {
            "objects": self.count("object"),
            "ignored": self.count("ignored"),
            "outside": self.count("outside"),
            "untagged": self.untagged,
        }


def inspect_sample(dataset: DebugSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> Inspection:
    """Make the sample of a key and keep all that went into it.

    Raises what `make_sample` raises: `InvalidRequestError` for an unknown index, `ImageError` for an
    image that cannot be read as annotated.
    """
    names = dataset.category_names
    image, boxes, recipe = load_inputs(dataset, config, key, augment)
    plan = family_of(config).plan_crop(image.shape[0], image.shape[1], boxes, recipe, config, NUMPY)
    sample = fill_sample(image, plan, recipe, config)
    crowd = dataset.crowd(key.index)
    if not config.keep_crowd:
        crowd = crowd[~crowd]
    return Inspection(
        key=key,
        config=config,
        augment=augment,
        image_id=dataset.image_id(key.index),
        file_name=dataset.file_name(key.index),
        image=image,
        recipe=recipe,
        plan=plan,
        crop=sample.crop,
        dense=lay_out(sample, "dense", config, len(names)),
        boxes=_fates(names, boxes, crowd.tolist(), plan, _reference_row(boxes, image, recipe)),
        category_count=len(names),
        untagged=untagged(plan.objects, config),
    )


def _fates(
    names: tuple[str, ...], boxes: Boxes, crowd: list[bool], plan: CropPlan, reference: int | None
) -> tuple[BoxFate, ...]:
    remaining = dict(zip(plan.rows.tolist(), zip(plan.boxes.tolist(), plan.objects.tolist(), strict=True), strict=True))
    fates = []
    for row, (*original, number) in enumerate(boxes.tolist()):
        cropped, is_object = remaining.get(row, (None, False))
        state: State = "outside" if cropped is None else "object" if is_object else "ignored"
        fates.append(
            BoxFate(
                row=row,
                category=int(number),
                name=names[int(number) - 1],
                original=_corners(original),
                cropped=None if cropped is None else _corners(cropped),
                state=state,
                crowd=crowd[row],
                is_reference=row == reference,
            )
        )
    return tuple(fates)


def _corners(box: list[float]) -> Corners:
    return box[0], box[1], box[2], box[3]


def _reference_row(boxes: Boxes, image: Image, recipe: Recipe) -> int | None:
    """Return the reference as a row of the image's boxes; recipes count only those left after clipping."""
    if recipe.reference is None:
        return None
    _, rows = clip(boxes, 0, 0, image.shape[1] - 1, image.shape[0] - 1)
    return int(rows[recipe.reference])


def sample_document(
    dataset: DebugSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True
) -> dict[str, Any]:
    """Return all about one sample as plain dicts, lists, strings and finite numbers, ready for JSON.

    `boxes` lists every box of the image, whatever became of it; `arrays` has one entry per dense array. Raises as
    `inspect_sample` does.
    """
    seen = inspect_sample(dataset, config, key, augment=augment)
    height, width = seen.image.shape[:2]
    return {
        "key": key.as_dict(),
        "config": config.name,
        "augment": augment,
        "image": {"id": seen.image_id, "file_name": seen.file_name, "height": height, "width": width},
        "recipe": seen.recipe.as_dict(),
        "counts": seen.counts,
        "boxes": [box.as_dict() for box in seen.boxes],
        "crop": {
            "dtype": seen.crop.dtype.str,
            "shape": list(seen.crop.shape),
            "blake2b": hashlib.blake2b(seen.crop.tobytes()).hexdigest(),
        },
        "arrays": {name: _statistics(array) for name, array in seen.dense.items()},
    }


def _statistics(array: NDArray[Any]) -> dict[str, Any]:
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "min": float(array.min()),
        "max": float(array.max()),
        "mean": float(array.mean(dtype=np.float64)),
        "nonzero": int(np.count_nonzero(array)),
    }
