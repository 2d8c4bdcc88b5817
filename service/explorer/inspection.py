"""One sample in detail: each box and what became of it, each dense array and its statistics."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.families.crop_plan import CropPlan
from sampler.families.registry import family_of
from sampler.kernels.compiled.kernels import COMPILED
from sampler.layouts.convert import lay_out
from sampler.ops.resize import Image
from sampler.ops.targets import locate_corners, untagged
from sampler.recipe import Recipe
from sampler.sample.sample import PlannedSample, fill_sample, plan_sample
from sampler.stream.keys import SampleKey
from sampler.survey.ignore_reasons import ANOTHER_REASON, ignore_reasons
from sampler.survey.marks import BoxMarks, mark_boxes

State = Literal["object", "ignored", "outside"]
Corners = tuple[float, ...]
"""x0, y0, x1, y1 in pixels."""


@dataclass(frozen=True, slots=True)
class InspectedBox:
    """One of an image's boxes and what the sample made of it."""

    row: int  # row among the image's boxes, without crowd boxes if the config drops them
    category: int  # 1…C
    name: str
    original: Corners  # in image pixels, unclipped
    cropped: Corners | None  # in crop pixels; None for a box outside the crop
    state: State
    is_crowd: bool
    is_reference: bool  # the scale was chosen for it
    is_untagged: bool = False  # an object without a row of tags
    is_cut_off: bool = False  # part of it is in the crop, and part of it is not
    ignored_because: str | None = None  # the reason, if it is ignored and its detector family knows the reason
    radius: int | None = None  # of its bumps, in cells; None outside the crop, or if the family has no corners

    def as_dict(self) -> dict[str, Any]:
        """Return the box as it appears in the sample's document."""
        return {
            "row": self.row,
            "category": {"number": self.category, "name": self.name},
            "original": list(self.original),
            "crop": None if self.cropped is None else list(self.cropped),
            "state": self.state,
            "crowd": self.is_crowd,
            "reference": self.is_reference,
            "untagged": self.is_untagged,
            "cut_off": self.is_cut_off,
            "ignored_because": self.ignored_because,
            "radius": self.radius,
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """A sample and everything it was made of."""

    key: SampleKey
    config: SamplerConfig
    augment: bool  # False for the fixed recipe
    image_id: int | str
    file_name: str  # path below the image folder
    image: Image  # (H, W, 3) uint8 BGR
    recipe: Recipe
    plan: CropPlan
    crop: Image  # (S, S, 3) uint8 BGR
    dense: Arrays
    boxes: tuple[InspectedBox, ...]  # all boxes of the image
    category_count: int

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of objects, ignored boxes, boxes outside the crop, and objects without a row in the tags."""
        states = [box.state for box in self.boxes]
        return {
            "objects": states.count("object"),
            "ignored": states.count("ignored"),
            "outside": states.count("outside"),
            "untagged": untagged(self.plan.objects, self.config),
        }

    @property
    def reference(self) -> InspectedBox | None:
        """The box that the scale was chosen for."""
        return next((box for box in self.boxes if box.is_reference), None)

    @property
    def window(self) -> Corners:
        """The crop's window in pixels of the original image; it may exceed the image."""
        sides = self.plan.canvas or self.config.input_size
        (top, _), (left, _) = self.plan.window.rows, self.plan.window.columns
        y, x = top - self.plan.window.offset[0], left - self.plan.window.offset[1]
        step_y, step_x = (own / scaled for own, scaled in zip(self.image.shape[:2], self.plan.size, strict=True))
        return x * step_x, y * step_y, (x + sides[1]) * step_x, (y + sides[0]) * step_y


def inspect_sample(dataset: Dataset, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> Inspection:
    """Make the sample of a key and return it with everything it was made of. Raises like `make_sample`."""
    categories = config.planes(dataset.category_count)
    planned = plan_sample(dataset, config, key, augment, COMPILED)
    recipe, plan = planned.recipe, planned.plan
    part = dataset.read(planned.image)
    image, sample = part.pixels, fill_sample(part, plan, recipe, config, COMPILED)
    return Inspection(
        key=key,
        config=config,
        augment=augment,
        image_id=dataset.image_id(planned.image),
        file_name=dataset.file_name(planned.image),
        image=image,
        recipe=recipe,
        plan=plan,
        crop=sample.crop,
        dense=lay_out(sample, "dense", config, categories),
        boxes=inspect_boxes(dataset, config, planned),
        category_count=categories,
    )


def inspect_boxes(dataset: DatasetIndex, config: SamplerConfig, planned: PlannedSample) -> tuple[InspectedBox, ...]:
    """Return all boxes of the image of a planned sample, each with what became of it. Reads no pixels."""
    marks, names = mark_boxes(dataset, config, [planned]), dataset.category_names
    reasons, radii = _reasons(marks, config), _radii(marks, config)
    inspected = []
    for row, (*original, number) in enumerate(marks.boxes.tolist()):
        outside = bool(marks.outside[row])
        inspected.append(
            InspectedBox(
                row=row,
                category=int(number),
                name=names[int(number) - 1],
                original=tuple(original),
                cropped=None if outside else tuple(marks.cropped[row].tolist()),
                state="outside" if outside else "object" if marks.objects[row] else "ignored",
                is_crowd=bool(marks.crowd[row]),
                is_reference=bool(marks.reference[row]),
                is_untagged=bool(marks.untagged[row]),
                is_cut_off=bool(marks.cut_off[row]),
                ignored_because=reasons.get(row),
                radius=radii.get(row),
            )
        )
    return tuple(inspected)


def _reasons(marks: BoxMarks, config: SamplerConfig) -> dict[int, str]:
    """Return why boxes are ignored, by their rows. Those whose reason is not known are left out."""
    rows = np.flatnonzero(~marks.objects & ~marks.outside)
    reasons, found = ignore_reasons(marks.cropped[rows], marks.boxes[rows, 4].astype(np.int32), config)
    named = zip(rows.tolist(), (reasons[one] for one in found.tolist()), strict=True)
    return {row: reason for row, reason in named if reason != ANOTHER_REASON}


def _radii(marks: BoxMarks, config: SamplerConfig) -> dict[int, int]:
    """Return the radii with which boxes are drawn, by their rows; none for a family without corners."""
    if family_of(config).corner_names(config) is None:
        return {}
    rows = np.flatnonzero(~marks.outside)
    return dict(zip(rows.tolist(), locate_corners(marks.cropped[rows], config).radii.tolist(), strict=True))


def sample_document(dataset: Dataset, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> dict[str, Any]:
    """Return everything about one sample, ready for JSON: all boxes of the image, statistics of each dense array."""
    return document_of(inspect_sample(dataset, config, key, augment=augment))


def document_of(seen: Inspection) -> dict[str, Any]:
    """Return the document of a sample that was made."""
    height, width = seen.image.shape[:2]
    return {
        "key": seen.key.as_dict(),
        "config": seen.config.name,
        "augment": seen.augment,
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
