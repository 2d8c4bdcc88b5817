"""What a sample made of each box of its image: an object, an ignored box, or nothing because it lies outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Booleans, Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.ops.boxes import Boxes, clip
from sampler.ops.targets import rows_of_objects
from sampler.sample.sample import BoxSource, PlannedSample

LEAST_CUT = 1.0
"""A box is cut off if more than this many crop pixels of its width or height are missing. Rounding takes less."""


class MarkedBoxSource(BoxSource, Protocol):
    """A box source that also knows which boxes of an image are crowd boxes."""

    def crowd(self, index: int) -> Booleans: ...


@dataclass(frozen=True, slots=True)
class BoxMarks:
    """What samples made of the boxes of their images, all of them concatenated.

    Attributes:
        samples: (M,) int64, the number of the sample of each box, ascending.
        boxes: (M, 5) float32, in image pixels, not clipped, and the category 1…C.
        cropped: (M, 4) float32, in crop pixels; NaN for boxes outside the crop.
        objects: (M,) bool.
        outside: (M,) bool: no part of the box is in the crop. Other boxes that are no objects are ignored.
        untagged: (M,) bool: an object without a row of tags, because there are only `max_objects`.
        cut_off: (M,) bool: part of the box is in the crop, and part of it beyond the crop's edges.
        crowd: (M,) bool.
        reference: (M,) bool: the scale was chosen for this box.
    """

    samples: Integers
    boxes: Boxes
    cropped: Floats
    objects: Booleans
    outside: Booleans
    untagged: Booleans
    cut_off: Booleans
    crowd: Booleans
    reference: Booleans


def mark_boxes(dataset: MarkedBoxSource, config: SamplerConfig, plans: Sequence[PlannedSample]) -> BoxMarks:
    """Return what became of every box of planned samples. plans: at least one, of the same dataset and config."""
    starts = np.cumsum([0, *(len(planned.boxes) for planned in plans)])
    samples = np.repeat(np.arange(len(plans)), np.diff(starts))
    boxes = np.concatenate([planned.boxes for planned in plans])
    seen = np.concatenate([planned.plan.boxes for planned in plans])
    rows = np.concatenate([planned.plan.rows + start for planned, start in zip(plans, starts, strict=False)])
    cropped = np.full((len(boxes), 4), np.nan, np.float32)
    cropped[rows] = seen[:, :4]
    are_objects = np.concatenate([planned.plan.objects for planned in plans])
    objects = _chosen(len(boxes), rows[are_objects])
    # Tags are given to objects in the order of the plan.
    tag_rows = rows_of_objects(samples[rows[are_objects]])
    sizes = np.array([dataset.size(planned.image) for planned in plans])
    return BoxMarks(
        samples=samples,
        boxes=boxes,
        cropped=cropped,
        objects=objects,
        outside=~_chosen(len(boxes), rows),
        untagged=_chosen(len(boxes), rows[are_objects][tag_rows >= config.max_objects]),
        cut_off=_cut_off(boxes, cropped, sizes[samples], _resizing(config, plans, sizes)[samples]),
        crowd=_crowd(dataset, config, plans),
        reference=_references(plans, sizes, starts),
    )


def _chosen(count: int, rows: NDArray[np.intp]) -> Booleans:
    chosen = np.zeros(count, np.bool_)
    chosen[rows] = True
    return chosen


def _crowd(dataset: MarkedBoxSource, config: SamplerConfig, plans: Sequence[PlannedSample]) -> Booleans:
    crowd = [dataset.crowd(planned.image) for planned in plans]
    return np.concatenate(crowd if config.keep_crowd else [one[~one] for one in crowd])


def _references(plans: Sequence[PlannedSample], sizes: Integers, starts: Integers) -> Booleans:
    """Return which boxes are references. A recipe counts only the boxes that are left after clipping to the image."""
    chosen = []
    for planned, (height, width), start in zip(plans, sizes.tolist(), starts.tolist(), strict=False):
        if planned.recipe.reference is not None:
            _, rows = clip(planned.boxes, 0, 0, width - 1, height - 1)
            chosen.append(start + int(rows[planned.recipe.reference]))
    return _chosen(int(starts[-1]), np.array(chosen, np.intp))


def _resizing(config: SamplerConfig, plans: Sequence[PlannedSample], sizes: Integers) -> NDArray[np.float64]:
    """Return (N, 2) float64: crop pixels per image pixel along x and along y."""
    planes = np.array([planned.plan.size for planned in plans])
    canvases = np.array([planned.plan.canvas or config.input_size for planned in plans])
    factors: NDArray[np.float64] = (planes / sizes * config.input_size / canvases)[:, ::-1]
    return factors


def _cut_off(boxes: Boxes, cropped: Floats, sizes: Integers, factors: NDArray[np.float64]) -> Booleans:
    """Return which boxes are cut off. sizes: (M, 2) of their images; factors: (M, 2) crop pixels per image pixel.

    What lies beyond the image is not counted: no crop could show it.
    """
    last = sizes[:, ::-1] - 1
    inside = np.minimum(boxes[:, 2:4], last) - np.maximum(boxes[:, 0:2], 0)
    missing = inside * factors - (cropped[:, 2:4] - cropped[:, 0:2])
    cut_off: Booleans = np.any(missing > LEAST_CUT, axis=1)  # False for NaN, a box outside
    return cut_off
