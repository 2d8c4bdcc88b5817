"""CornerNet-Saccade: presets, placement and crop."""

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

import numpy as np

from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.errors import RecipeError
from sampler.families.corners import CornerFamily
from sampler.families.crop_plan import CropPlan, scaled_size, window_at
from sampler.families.interface import IgnoreReasons, Placement
from sampler.families.saccade_rules import CENTRE_SPREAD, REFERENCE_SHARE, length_range
from sampler.families.saccade_theory import SaccadeTheory
from sampler.kernels.interface import Kernels
from sampler.ops.boxes import Boxes, Frame, clip, longest_sides, whole_pixel_sides
from sampler.recipe import MAX_SCALE, Recipe
from sampler.rng.distributions import coin_flip, integer, uniform

SCALES = (0.5, 0.6, 0.7, 0.7999999999999999, 0.8999999999999999, 0.9999999999999999, 1.0999999999999999)
"""The seven values of `numpy.arange(0.5, 1.1, 0.1)`; the last one is there through rounding."""

ATTENTION = (
    AttentionMap(size=(16, 16), ratio=16, longest=(96, 256)),
    AttentionMap(size=(32, 32), ratio=8, longest=(32, 96)),
    AttentionMap(size=(64, 64), ratio=4, longest=(0, 32)),
)

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


class SaccadeFamily(CornerFamily):
    """A sample is the surroundings of a reference box, scaled so that the box gets a random size of its size class.

    Boxes that are too small or mostly outside the crop are ignored: they draw into the valid masks.
    """

    ignores_boxes = True
    # The published sampler jitters, lights and draws bumps whatever the config says, and has no border.
    fixed_fields = frozenset({"rand_color", "lighting", "gaussian_bump", "border"})
    presets: ClassVar[tuple[SamplerConfig, ...]] = (
        SamplerConfig(
            kind="saccade", name="cornernet_saccade", input_size=(255, 255), output_size=(64, 64), rand_scales=SCALES,
            gaussian_iou=0.5, rand_crop=False, attention=ATTENTION,
        ),
    )  # fmt: skip

    def draw_placement(
        self, bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
    ) -> Placement:
        clipped, _ = kernels.clip_boxes(boxes, 0, 0, width - 1, height - 1)
        skipped = config.rand_crop and uniform(bits[Draw.USE_REFERENCE]) >= REFERENCE_SHARE
        if not len(clipped) or skipped:
            scale = config.rand_scales[integer(bits[Draw.SCALE], 0, len(config.rand_scales) - 1)]
            extent = scaled_size(height, width, np.float64(scale))
            return Placement(scale, None, _center(bits, config, extent, None))
        reference = integer(bits[Draw.REFERENCE], 0, len(clipped) - 1)
        (longest,) = longest_sides(clipped[reference : reference + 1])
        length = np.float32(integer(bits[Draw.LENGTH], *length_range(float(longest))))
        factor = min(length / max(longest, length / LARGEST), LARGEST)
        extent = scaled_size(height, width, factor)
        return Placement(float(factor), reference, _center(bits, config, extent, clipped[reference, :4] * factor))

    def fixed_placement(self, config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
        # Centred on the largest box by area, the first of equals, at its own size if its size class allows that.
        clipped, _ = clip(boxes, 0, 0, width - 1, height - 1)
        if not len(clipped):
            return Placement(1.0, None, (height // 2, width // 2))
        sides = clipped[:, 2:4].astype(np.float64) - clipped[:, 0:2]
        reference = int(np.argmax(sides[:, 0] * sides[:, 1]))
        longest = longest_sides(clipped)[reference]
        low, high = length_range(float(longest))
        length = min(max(longest, np.float32(low)), np.float32(high))
        scale = min(length / max(longest, length / LARGEST), LARGEST)
        extent = scaled_size(height, width, scale)
        return Placement(float(scale), reference, _fixed_center(config, extent, clipped[reference, :4] * scale))

    def plan_crop(
        self, height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
    ) -> CropPlan:
        # In the precision of the published sampler: float32 if a box set the scale.
        factor = np.float64(recipe.scale) if recipe.reference is None else np.float32(recipe.scale)
        extent = scaled_size(height, width, factor)
        window = window_at(recipe.center, config.input_size, extent)
        (top, left), (bottom, right) = window.offset, window.bottom_right
        frame = Frame(
            image=(height, width),
            factor=factor,
            move=(config.input_size[0] // 2 - recipe.center[0], config.input_size[1] // 2 - recipe.center[1]),
            filled=(left, top, right - 1, bottom - 1),
            flip_in=config.input_side if recipe.flip else None,
            least_side=config.min_scale,
        )
        seen, objects, rows, remaining = kernels.frame_boxes(boxes, frame)
        if recipe.reference is not None and recipe.reference >= remaining:
            raise RecipeError(f"reference = {recipe.reference}: expected less than {remaining}, the boxes in the image")
        return CropPlan(seen, objects, rows, extent, window, None, recipe.flip)

    def ignore_reasons(self, ignored: Boxes, config: SamplerConfig) -> IgnoreReasons:
        small = whole_pixel_sides(ignored) < config.min_scale
        return (("too small", small), ("mostly outside the crop", np.ones(len(ignored), np.bool_)))

    def placement_theory(self, config: SamplerConfig) -> SaccadeTheory:
        return SaccadeTheory(config)


def _fixed_center(config: SamplerConfig, extent: tuple[int, int], reference: Boxes) -> tuple[int, int]:
    centers = []
    for axis, (size, side) in enumerate(zip(extent, config.input_size, strict=True)):
        if size <= side:
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


SACCADE = SaccadeFamily()
