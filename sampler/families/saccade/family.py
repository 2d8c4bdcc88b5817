"""CornerNet-Saccade: presets, checks and crop."""

from collections.abc import Sequence

from sampler.config.schema import AttentionMap, SamplerConfig
from sampler.errors import RecipeError
from sampler.families.corners import CornerFamily
from sampler.families.crop_plan import CropPlan, scale_factor, scaled_size, window_at
from sampler.families.interface import Placement
from sampler.families.saccade.placement import draw_placement, fixed_placement
from sampler.kernels.interface import Kernels
from sampler.ops.boxes import Boxes, Frame
from sampler.recipe import Recipe

SCALES = (0.5, 0.6, 0.7, 0.7999999999999999, 0.8999999999999999, 0.9999999999999999, 1.0999999999999999)
"""The seven values of `numpy.arange(0.5, 1.1, 0.1)`; the last one is there through rounding."""

ATTENTION = (
    AttentionMap(size=(16, 16), ratio=16, longest=(96, 256)),
    AttentionMap(size=(32, 32), ratio=8, longest=(32, 96)),
    AttentionMap(size=(64, 64), ratio=4, longest=(0, 32)),
)


class SaccadeFamily(CornerFamily):
    """A sample is the surroundings of a reference box, scaled so that the box gets a random size of its size class.

    Boxes that are too small or mostly outside the crop are ignored: they draw into the valid masks.
    """

    ignores_boxes = True
    presets = (
        SamplerConfig(
            kind="saccade", name="cornernet_saccade", input_size=(255, 255), output_size=(64, 64), rand_scales=SCALES,
            gaussian_iou=0.5, rand_crop=False, attention=ATTENTION,
        ),
    )  # fmt: skip

    def draw_placement(
        self, bits: Sequence[int], config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels
    ) -> Placement:
        return draw_placement(bits, config, height, width, boxes, kernels)

    def fixed_placement(self, config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Placement:
        return fixed_placement(config, height, width, boxes)

    def plan_crop(
        self, height: int, width: int, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels
    ) -> CropPlan:
        factor = scale_factor(recipe)
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


SACCADE = SaccadeFamily()
