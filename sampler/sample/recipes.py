"""The recipe of a key: the family's placement of the crop, and the flip and colours that all families share.

Every decision has its own random integer, so one decision more or less does not change the others.
"""

from collections.abc import Sequence
from enum import IntEnum

from sampler.config_schema import SamplerConfig
from sampler.families.interface import PLACEMENT_DRAWS
from sampler.families.registry import family_of
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.ops.boxes import Boxes
from sampler.recipe import JITTER_STEPS, Recipe
from sampler.rng import distributions as draw
from sampler.rng.philox import RECIPE_DOMAIN
from sampler.stream.keys import SampleKey

ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
"""The orders in which the three jitter steps can be applied."""


class Draw(IntEnum):
    """The random integer that each shared decision takes; lower numbers are the placement's."""

    FLIP = 11
    JITTER_ORDER = 12
    GAIN_BRIGHTNESS = 13
    GAIN_CONTRAST = 14
    GAIN_SATURATION = 15
    LIGHTING_0 = 16
    LIGHTING_1 = 17
    LIGHTING_2 = 18


DRAWS = PLACEMENT_DRAWS + len(Draw)


def draw_recipe(
    key: SampleKey, config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels = REFERENCE
) -> Recipe:
    """Return the recipe of a key for an image of height × width pixels with (N, 5) float32 `boxes`."""
    bits: list[int] = kernels.random_bits(key.seed, RECIPE_DOMAIN, key.epoch, key.index, DRAWS).tolist()
    place = family_of(config).draw_placement(bits[:PLACEMENT_DRAWS], config, height, width, boxes, kernels)
    return Recipe(
        scale=place.scale,
        reference=place.reference,
        center=place.center,
        flip=draw.coin_flip(bits[Draw.FLIP]),
        jitter=_jitter(bits, config.jitter) if config.rand_color else (),
        lighting=_lighting(bits, config.lighting_std) if config.rand_color and config.lighting else (0.0, 0.0, 0.0),
    )


def fixed_recipe(config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Recipe:
    """Return the recipe without augmentation, the same for every seed and epoch."""
    place = family_of(config).fixed_placement(config, height, width, boxes)
    return Recipe(scale=place.scale, reference=place.reference, center=place.center, flip=False)


def _jitter(bits: Sequence[int], half_width: float) -> tuple[tuple[str, float], ...]:
    order = ORDERS[draw.integer(bits[Draw.JITTER_ORDER], 0, len(ORDERS) - 1)]
    gains = [draw.uniform(bits[Draw.GAIN_BRIGHTNESS + i], 1 - half_width, 1 + half_width) for i in range(3)]
    return tuple((JITTER_STEPS[i], gains[i]) for i in order)


def _lighting(bits: Sequence[int], std: float) -> tuple[float, float, float]:
    first, second, third = (draw.normal(bits[Draw.LIGHTING_0 + i], std) for i in range(3))
    return first, second, third
