"""Drawing the recipe of a key.

Every decision has a random word of its own, so that one more decision, or one taken less often, changes no other.
"""

from enum import IntEnum

import numpy as np

from sampler.config.schema import SamplerConfig
from sampler.kernels.interface import PLAIN, Kernels
from sampler.ops.boxes import Boxes, longest_sides
from sampler.recipe import JITTER_STEPS, MAX_SCALE, Recipe
from sampler.rng import distributions as words
from sampler.sample.crop import clip_to_image, scaled_size
from sampler.stream.keys import SampleKey, recipe_words

REFERENCE_SHARE = 0.7
"""Where random cropping is on, a reference box is used in this share of draws (published constant)."""

CENTRE_SPREAD = 14
"""A centred crop lies 0 … 14 pixels to either side of the reference's centre (published constant)."""

LENGTH_CLASSES = ((96.0, (96, 254)), (32.0, (32, 96)), (-1.0, (16, 32)))
"""(longer than, target length from … to) in pixels, largest class first (published constants)."""

LARGEST = np.float32(MAX_SCALE)
"""Boxes thinner than 1/256 pixel are not enlarged further; the published sampler runs out of memory long before."""

ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
"""The orders in which the three jitter steps can be applied."""


class Word(IntEnum):
    """Which random word each decision takes."""

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
    FLIP = 11
    JITTER_ORDER = 12
    GAIN_BRIGHTNESS = 13
    GAIN_CONTRAST = 14
    GAIN_SATURATION = 15
    LIGHTING_0 = 16
    LIGHTING_1 = 17
    LIGHTING_2 = 18


Words = list[int]


def draw_recipe(
    key: SampleKey, config: SamplerConfig, height: int, width: int, boxes: Boxes, kernels: Kernels = PLAIN
) -> Recipe:
    """Return the recipe of a key for an image of height × width pixels with (N, 5) float32 `boxes`."""
    drawn: Words = recipe_words(key, len(Word), kernels.random_words).tolist()
    if config.kind == "saccade":
        clipped, _ = kernels.clip_boxes(boxes, 0, 0, width - 1, height - 1)
        scale, reference, center = _saccade(drawn, config, height, width, clipped)
    else:
        scale, reference, center = _cornernet(drawn, config, height, width)
    return Recipe(
        scale=scale,
        reference=reference,
        center=center,
        flip=words.fair(drawn[Word.FLIP]),
        jitter=_jitter(drawn, config.jitter) if config.rand_color else (),
        lighting=_lighting(drawn, config.lighting_std) if config.rand_color and config.lighting else (0.0, 0.0, 0.0),
    )


def fixed_recipe(config: SamplerConfig, height: int, width: int, boxes: Boxes) -> Recipe:
    """Return the recipe without any augmentation, the same for every seed and epoch.

    Saccade: the largest box (by area, the first of equals) is the reference, at its own size where its class
    allows that and at the nearest end of the class's range where not, centred. Without boxes, and for cornernet:
    scale 1, the image's centre.
    """
    if config.kind == "cornernet":
        return Recipe(scale=1.0, reference=None, center=(height // 2, width // 2), flip=False)
    clipped, _ = clip_to_image(boxes, height, width)
    if not len(clipped):
        center = _fixed_center(config, height, width, None)
        return Recipe(scale=1.0, reference=None, center=center, flip=False)
    sides = clipped[:, 2:4].astype(np.float64) - clipped[:, 0:2]
    reference = int(np.argmax(sides[:, 0] * sides[:, 1]))
    longest = longest_sides(clipped)[reference]
    low, high = _target_range(float(longest))
    length = min(max(longest, np.float32(low)), np.float32(high))
    scale = min(length / max(longest, length / LARGEST), LARGEST)
    extent = scaled_size(height, width, scale)
    center = _fixed_center(config, *extent, clipped[reference, :4] * scale)
    return Recipe(scale=float(scale), reference=reference, center=center, flip=False)


def _fixed_center(config: SamplerConfig, height: int, width: int, reference: Boxes | None) -> tuple[int, int]:
    centers = []
    for axis, (extent, side) in enumerate(zip((height, width), config.input_size, strict=True)):
        if extent <= side or reference is None:
            centers.append(extent // 2)
        else:
            middle = int((float(reference[1 - axis]) + float(reference[3 - axis])) // 2)
            centers.append(min(max(middle, 0), extent - 1))
    return centers[0], centers[1]


def _saccade(
    drawn: Words, config: SamplerConfig, height: int, width: int, clipped: Boxes
) -> tuple[float, int | None, tuple[int, int]]:
    skipped = config.rand_crop and words.uniform(drawn[Word.USE_REFERENCE]) >= REFERENCE_SHARE
    if not len(clipped) or skipped:
        scale = config.rand_scales[words.integer(drawn[Word.SCALE], 0, len(config.rand_scales) - 1)]
        extent = scaled_size(height, width, np.float64(scale))
        return scale, None, _saccade_center(drawn, config, extent, None)
    reference = words.integer(drawn[Word.REFERENCE], 0, len(clipped) - 1)
    (longest,) = longest_sides(clipped[reference : reference + 1])
    length = np.float32(words.integer(drawn[Word.LENGTH], *_target_range(float(longest))))
    factor = min(length / max(longest, length / LARGEST), LARGEST)
    extent = scaled_size(height, width, factor)
    return float(factor), reference, _saccade_center(drawn, config, extent, clipped[reference, :4] * factor)


def _target_range(longest: float) -> tuple[int, int]:
    return next(target for above, target in LENGTH_CLASSES if longest > above)


def _saccade_center(
    drawn: Words, config: SamplerConfig, extent: tuple[int, int], reference: Boxes | None
) -> tuple[int, int]:
    centred = config.rand_center and words.fair(drawn[Word.CENTRED]) and reference is not None
    centers = []
    for axis, first in enumerate((Word.CENTRE_Y, Word.CENTRE_X)):
        size, side = extent[axis], config.input_size[axis]
        ends = (0.0, float(size)) if reference is None else (float(reference[1 - axis]), float(reference[3 - axis]))
        if size <= side:
            centers.append(size // 2)
        elif centred:
            centers.append(_near_middle(drawn[first : first + 3], size, ends))
        elif reference is None:
            centers.append(words.integer(drawn[first], 0, size - side) + side // 2)
        else:
            low = int(max(ends[1] - side, 0))
            high = max(low, int(min(size - side, ends[0])))
            centers.append(words.integer(drawn[first], low, high) + side // 2)
    return centers[0], centers[1]


def _near_middle(drawn: Words, size: int, ends: tuple[float, float]) -> int:
    middle = (ends[0] + ends[1]) // 2
    low = int(max(middle - words.integer(drawn[1], 0, CENTRE_SPREAD), 0))
    high = int(min(middle + words.integer(drawn[2], 0, CENTRE_SPREAD), size - 1))
    return words.integer(drawn[0], low, max(low, high))


def _cornernet(drawn: Words, config: SamplerConfig, height: int, width: int) -> tuple[float, None, tuple[int, int]]:
    scale = config.rand_scales[words.integer(drawn[Word.SCALE], 0, len(config.rand_scales) - 1)]
    centers = []
    for extent, word in ((height, Word.CENTRE_Y), (width, Word.CENTRE_X)):
        margin = centre_margin(config.border, extent)
        centers.append(words.integer(drawn[word], margin, extent - margin - 1))
    return scale, None, (centers[0], centers[1])


def centre_margin(border: int, extent: int) -> int:
    """Return a random crop centre's least distance in pixels from either edge: `border`, halved until it fits."""
    divisor = 1
    while extent - border // divisor <= border // divisor:
        divisor *= 2
    return border // divisor


def _jitter(drawn: Words, half_width: float) -> tuple[tuple[str, float], ...]:
    order = ORDERS[words.integer(drawn[Word.JITTER_ORDER], 0, len(ORDERS) - 1)]
    gains = [words.between(drawn[Word.GAIN_BRIGHTNESS + i], 1 - half_width, 1 + half_width) for i in range(3)]
    return tuple((JITTER_STEPS[i], gains[i]) for i in order)


def _lighting(drawn: Words, std: float) -> tuple[float, float, float]:
    first, second, third = (words.normal(drawn[Word.LIGHTING_0 + i], std) for i in range(3))
    return first, second, third
