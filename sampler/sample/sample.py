"""A sample as a value, and the function that makes it: sample = f(dataset, config, seed, epoch, index)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sampler.config.schema import SamplerConfig
from sampler.kernels.interface import PLAIN, Kernels
from sampler.ops.boxes import Boxes
from sampler.ops.colour import ColourMatrix, colour_matrix, grey_of
from sampler.ops.resize import Image
from sampler.recipe import Recipe
from sampler.sample.crop import fill_crop, plan_crop
from sampler.sample.draw import draw_recipe, fixed_recipe
from sampler.stream.keys import SampleKey


class ImageSource(Protocol):
    """What a sample needs of a dataset; `sampler.dataset.dataset.Dataset` is one."""

    def read(self, index: int) -> Image:
        """Return the decoded image: (H, W, 3) uint8 BGR."""
        ...

    def size(self, index: int) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        ...

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:
        """Return the (N, 5) float32 boxes of the image, in the sampler's order."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample before rendering: all that the dense arrays are a function of.

    crop: (S, S, 3) uint8 BGR. colour: (3, 4) float32. boxes: (N, 5) float32 in crop pixels.
    objects: (N,) bool, False for ignored boxes.
    """

    recipe: Recipe
    crop: Image
    colour: ColourMatrix
    boxes: Boxes
    objects: NDArray[np.bool_]


def make_sample(
    dataset: ImageSource,
    config: SamplerConfig,
    key: SampleKey,
    *,
    augment: bool = True,
    kernels: Kernels = PLAIN,
) -> Sample:
    """Return the sample of a key. The same arguments give the same bytes in any process on any machine.

    kernels: what runs the loops over pixels; the bytes do not depend on it.

    Raises `InvalidRequestError` for an index the dataset does not have, `ImageError` for an image that cannot be
    read as annotated.
    """
    image, boxes, recipe = ingredients(dataset, config, key, augment, kernels)
    return cook(image, boxes, recipe, config, kernels)


def ingredients(
    dataset: ImageSource, config: SamplerConfig, key: SampleKey, augment: bool = True, kernels: Kernels = PLAIN
) -> tuple[Image, Boxes, Recipe]:
    """Return what the sample of a key is made of, for `cook`. Raises what `make_sample` raises."""
    boxes = dataset.boxes(key.index, keep_crowd=config.keep_crowd)
    recipe = _recipe(config, key, dataset.size(key.index), boxes, augment, kernels)
    return dataset.read(key.index), boxes, recipe


def recipe_of(dataset: ImageSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> Recipe:
    """Return the recipe of a key; needs the annotated size and boxes of the image, not its pixels."""
    boxes = dataset.boxes(key.index, keep_crowd=config.keep_crowd)
    return _recipe(config, key, dataset.size(key.index), boxes, augment, PLAIN)


def _recipe(
    config: SamplerConfig, key: SampleKey, size: tuple[int, int], boxes: Boxes, augment: bool, kernels: Kernels
) -> Recipe:
    height, width = size
    if augment:
        return draw_recipe(key, config, height, width, boxes, kernels)
    return fixed_recipe(config, height, width, boxes)


def cook(image: Image, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels = PLAIN) -> Sample:
    """Return the sample that a recipe makes of an image and its boxes. Raises `RecipeError` where it does not fit.

    image: (H, W, 3) uint8 BGR. boxes: (N, 5) float32 x0, y0, x1, y1 in image pixels, category 1…C.
    """
    pixels = np.empty((*config.input_size, 3), np.uint8)
    plan = plan_crop(image.shape[0], image.shape[1], boxes, recipe, config, kernels)
    grey = grey_of(fill_crop(image, plan, pixels, kernels), config.input_side**2)
    return Sample(recipe, pixels, colour_matrix(recipe, config, grey), plan.boxes, plan.objects)
