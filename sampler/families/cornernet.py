"""CornerNet and CornerNet-Squeeze: presets, checks, placement and crop."""

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

import numpy as np

from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError, RecipeError
from sampler.families.corners import CornerFamily
from sampler.families.crop_plan import CropPlan, scaled_size, window_at
from sampler.families.interface import Placement
from sampler.families.placement_theory import DrawnPlacements, Law, PlacementTheory, uniform_choice, uniform_integers
from sampler.kernels.interface import Kernels
from sampler.ops import boxes as box
from sampler.ops.boxes import Boxes
from sampler.recipe import Recipe
from sampler.rng.distributions import integer

SCALES = (0.6, 0.7, 0.7999999999999999, 0.8999999999999999, 0.9999999999999999, 1.0999999999999999,
          1.1999999999999997, 1.2999999999999998)  # fmt: skip
"""The eight values of `numpy.arange(0.6, 1.4, 0.1)`."""

MAX_CANVAS = 16384
"""Largest side of a canvas in pixels. A whole canvas is made before it is resized: 0.8 GB."""


class Draw(IntEnum):
    """The random integer that each decision takes."""

    SCALE = 3
    CENTRE_Y = 5
    CENTRE_X = 8


class CornerNetFamily(CornerFamily):
    """Every sample is a random crop: a canvas of a random size is cut from the image and resized to the input size.

    All boxes in the crop are objects. There are no valid masks and no attention maps.
    """

    fixed_fields = frozenset({"rand_center", "min_scale", "attention"})  # the published sampler reads none of them
    presets: ClassVar[tuple[SamplerConfig, ...]] = (
        SamplerConfig(
            kind="cornernet", name="cornernet", input_size=(511, 511), output_size=(128, 128), rand_scales=SCALES,
            gaussian_iou=0.3, rand_crop=True,
        ),
        SamplerConfig(
            kind="cornernet", name="cornernet_squeeze", input_size=(511, 511), output_size=(64, 64),
            rand_scales=SCALES, gaussian_iou=0.3, rand_crop=True,
        ),
    )  # fmt: skip

    def check_config(self, config: SamplerConfig) -> None:
        if not config.rand_crop:
            raise ConfigError(
                "rand_crop = False: expected true; a cornernet sample is always a random crop, never the whole image"
            )
        if config.attention:
            raise ConfigError("attention: expected none; cornernet samples have no attention maps")
        largest = max(config.rand_scales)
        if largest * config.input_side > MAX_CANVAS:
            most = MAX_CANVAS / config.input_side
            raise ConfigError(f"rand_scales = {largest!r}: expected at most {most:g}, a canvas of {MAX_CANVAS} pixels")

    def draw_placement(
        self, bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
    ) -> Placement:
        scale = config.rand_scales[integer(bits[Draw.SCALE], 0, len(config.rand_scales) - 1)]
        centers = []
        for extent, draw in ((height, Draw.CENTRE_Y), (width, Draw.CENTRE_X)):
            margin = centre_margin(config.border, extent)
            centers.append(integer(bits[draw], margin, extent - margin - 1))
        return Placement(scale, None, (centers[0], centers[1]))

    def fixed_placement(self, config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
        return Placement(1.0, None, (height // 2, width // 2))

    def plan_crop(
        self, height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
    ) -> CropPlan:
        canvas = scaled_size(*config.input_size, np.float64(recipe.scale))
        if max(canvas) > MAX_CANVAS:
            raise RecipeError(f"scale = {recipe.scale}: expected a canvas of at most {MAX_CANVAS} pixels, not {canvas}")
        window = window_at(recipe.center, canvas, (height, width))
        (top, left), (side_y, side_x) = window.offset, config.input_size
        moved = box.shift(box.shift(boxes, -window.rows[0], -window.columns[0]), top, left)
        resized = box.scale(moved, side_y / canvas[0], side_x / canvas[1])
        inside, rows = box.clip(resized, 0, 0, side_x - 1, side_y - 1)
        seen = box.flip(inside, side_x) if recipe.flip else inside
        return CropPlan(seen, np.ones(len(seen), np.bool_), rows, (height, width), window, canvas, recipe.flip)

    def placement_theory(self, config: SamplerConfig) -> PlacementTheory:
        return CornerNetTheory(config)


class CornerNetTheory(PlacementTheory):
    """Scale and centre do not depend on boxes."""

    scale_rule = "each of rand_scales is equally likely"
    center_rule = "each pixel is equally likely, apart from a border along the image's edges"

    def __init__(self, config: SamplerConfig) -> None:
        self._config = config

    def scale_law(self, drawn: DrawnPlacements) -> Law:
        return uniform_choice(self._config.rand_scales)

    def center_law(self, drawn: DrawnPlacements) -> Law:
        sides = drawn.sizes.ravel().tolist()
        margins = np.array([centre_margin(self._config.border, side) for side in sides]).reshape(-1, 2)
        return lambda centers: uniform_integers(centers, margins, drawn.sizes - margins - 1)


def centre_margin(border: int, extent: int) -> int:
    """Return the least distance in pixels of a random centre from either edge: `border`, halved until it fits."""
    divisor = 1
    while extent - border // divisor <= border // divisor:
        divisor *= 2
    return border // divisor


CORNERNET = CornerNetFamily()
