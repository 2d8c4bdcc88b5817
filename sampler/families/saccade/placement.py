"""Where a CornerNet-Saccade crop lies: reference box, scale and centre."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

from sampler.config.schema import SamplerConfig
from sampler.families.crop_plan import scaled_size
from sampler.families.interface import Placement
from sampler.kernels.interface import Kernels
from sampler.ops.boxes import Boxes, clip, longest_sides
from sampler.recipe import MAX_SCALE
from sampler.rng.distributions import coin_flip, integer, uniform

REFERENCE_SHARE = 0.7
"""With random cropping, the share of draws that use a reference box (published constant)."""

CENTRE_SPREAD = 14
"""A centred crop lies at most this many pixels off the reference's centre (published constant)."""

LENGTH_CLASSES = ((96.0, (96, 254)), (32.0, (32, 96)), (-1.0, (16, 32)))
"""(longer than, target length from … to) in pixels, largest class first (published constants)."""

LARGEST = np.float32(MAX_SCALE)
"""Boxes thinner than 1/256 pixel are not enlarged further; the published sampler runs out of memory long before."""


class Draw(IntEnum):
    """The random integer that each decision takes."""

    USE_REFERENCE = 0
    REFERENCE = 1
    LENGTH = 2
    SCALE = 3
    CENTRED = 4
    CENTRE_Y = 5
    BEFORE_Y = 6
    AFTER_Y = 7
    CENTRE_X = 8
    BEFORE_X = 9
    AFTER_X = 10


def draw_placement(
    bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
) -> Placement:
    """Draw a reference box and a target length for it, or without boxes a scale from the list; then a centre."""
    clipped, _ = kernels.clip_boxes(boxes, 0, 0, width - 1, height - 1)
    skipped = config.rand_crop and uniform(bits[Draw.USE_REFERENCE]) >= REFERENCE_SHARE
    if not len(clipped) or skipped:
        scale = config.rand_scales[integer(bits[Draw.SCALE], 0, len(config.rand_scales) - 1)]
        extent = scaled_size(height, width, np.float64(scale))
        return Placement(scale, None, _center(bits, config, extent, None))
    reference = integer(bits[Draw.REFERENCE], 0, len(clipped) - 1)
    (longest,) = longest_sides(clipped[reference : reference + 1])
    length = np.float32(integer(bits[Draw.LENGTH], *_length_range(float(longest))))
    factor = min(length / max(longest, length / LARGEST), LARGEST)
    extent = scaled_size(height, width, factor)
    return Placement(float(factor), reference, _center(bits, config, extent, clipped[reference, :4] * factor))


def fixed_placement(config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
    """Return the placement centred on the largest box (by area, the first of equals).

    The box keeps its size if the range of its size class allows it; otherwise it gets the nearest end of the range.
    Without boxes: scale 1, the image's centre.
    """
    clipped, _ = clip(boxes, 0, 0, width - 1, height - 1)
    if not len(clipped):
        return Placement(1.0, None, _fixed_center(config, (height, width), None))
    sides = clipped[:, 2:4].astype(np.float64) - clipped[:, 0:2]
    reference = int(np.argmax(sides[:, 0] * sides[:, 1]))
    longest = longest_sides(clipped)[reference]
    low, high = _length_range(float(longest))
    length = min(max(longest, np.float32(low)), np.float32(high))
    scale = min(length / max(longest, length / LARGEST), LARGEST)
    extent = scaled_size(height, width, scale)
    return Placement(float(scale), reference, _fixed_center(config, extent, clipped[reference, :4] * scale))


def _length_range(longest: float) -> tuple[int, int]:
    return next(target for above, target in LENGTH_CLASSES if longest > above)


def _fixed_center(config: SamplerConfig, extent: tuple[int, int], reference: Boxes | None) -> tuple[int, int]:
    centers = []
    for axis, (size, side) in enumerate(zip(extent, config.input_size, strict=True)):
        if size <= side or reference is None:
            centers.append(size // 2)
        else:
            middle = int((float(reference[1 - axis]) + float(reference[3 - axis])) // 2)
            centers.append(min(max(middle, 0), size - 1))
    return centers[0], centers[1]


def _center(
    bits: Sequence[int], config: SamplerConfig, extent: tuple[int, int], reference: Boxes | None
) -> tuple[int, int]:
    """Draw the centre (y, x). extent, reference: of the scaled image and of the reference box in it."""
    centred = config.rand_center and coin_flip(bits[Draw.CENTRED]) and reference is not None
    centers = []
    for axis, first in enumerate((Draw.CENTRE_Y, Draw.CENTRE_X)):
        size, side = extent[axis], config.input_size[axis]
        start, end = (0.0, float(size)) if reference is None else (float(reference[n - axis]) for n in (1, 3))
        if size <= side:
            centers.append(size // 2)
        elif centred:
            centers.append(_near_middle(bits[first : first + 3], size, (start + end) // 2))
        elif reference is None:
            centers.append(integer(bits[first], 0, size - side) + side // 2)
        else:
            low = int(max(end - side, 0))
            high = max(low, int(min(size - side, start)))
            centers.append(integer(bits[first], low, high) + side // 2)
    return centers[0], centers[1]


def _near_middle(bits: Sequence[int], size: int, middle: float) -> int:
    low = int(max(middle - integer(bits[1], 0, CENTRE_SPREAD), 0))
    high = int(min(middle + integer(bits[2], 0, CENTRE_SPREAD), size - 1))
    return integer(bits[0], low, max(low, high))
