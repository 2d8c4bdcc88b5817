"""A detector family outside the project: one heatmap of box centres per category."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import ArraySpec
from sampler.config_schema import SamplerConfig
from sampler.families.crop_plan import CropPlan, Window
from sampler.families.interface import Family, Placement, TrainingOrder
from sampler.kernels.interface import Kernels
from sampler.ops import boxes as box
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import draw_bump
from sampler.recipe import Recipe
from sampler.rng.distributions import integer

PATH = "tests.support.toy_family:FAMILY"


class ToyFamily(Family):
    """The whole image is stretched to the input size, and its boxes are shifted by up to 3 pixels."""

    presets = (
        SamplerConfig(
            kind=PATH, name="toy", input_size=(64, 64), output_size=(16, 16), rand_scales=(1.0,), gaussian_iou=0.5,
            rand_crop=True, gaussian_radius=2,
        ),
    )  # fmt: skip

    def target_specs(self, config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
        planes = (categories, *config.output_size)
        return (
            ArraySpec("counts", "<i8", (1,), "number of boxes"),
            ArraySpec("centres", "<f4", planes, "bumps at box centres, by category", sparse="K"),
        )

    def training_order(self, config: SamplerConfig) -> TrainingOrder:
        return ("centres", ("counts",))

    def draw_placement(
        self, bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
    ) -> Placement:
        return Placement(1.0, None, (integer(bits[0], 0, 3), integer(bits[1], 0, 3)))

    def fixed_placement(self, config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
        return Placement(1.0, None, (0, 0))

    def plan_crop(
        self, height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
    ) -> CropPlan:
        side_y, side_x = config.input_size
        scaled = box.shift(box.scale(boxes, side_y / height, side_x / width), *recipe.center)
        inside, rows = kernels.clip_boxes(scaled, 0, 0, side_x - 1, side_y - 1)
        window = Window((0, side_y), (0, side_x), (0, 0))
        seen = box.flip(inside, side_x) if recipe.flip else inside
        return CropPlan(seen, np.ones(len(seen), np.bool_), rows, (side_y, side_x), window, None, recipe.flip)

    def draw_targets(
        self,
        boxes: Boxes,
        objects: NDArray[np.bool_],
        starts: NDArray[np.int64],
        config: SamplerConfig,
        out: Mapping[str, NDArray[Any]],
        kernels: Kernels,
    ) -> None:
        for sample in range(len(starts) - 1):
            for x0, y0, x1, y1, category in boxes[starts[sample] : starts[sample + 1]].tolist():
                plane, y, x = int(category) - 1, int((y0 + y1) / 8), int((x0 + x1) / 8)
                draw_bump(out["centres"][sample, plane], y, x, config.gaussian_radius)
                out["counts"][sample, 0] += 1


FAMILY = ToyFamily()
