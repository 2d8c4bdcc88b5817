"""A sample as a value, and the function that makes it: sample = f(dataset, config, seed, epoch, index).

make_sample = plan_sample (boxes, recipe, plan of the crop) → dataset.read (pixels) → fill_sample (crop, colours)

The plan needs the annotated size of an image, not its pixels. So it is known which pixels a crop needs before any is
read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from sampler.arrays import Booleans
from sampler.config_schema import SamplerConfig
from sampler.families.crop_plan import CropPlan
from sampler.families.registry import family_of
from sampler.image_part import ImagePart, Region
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.ops.boxes import Boxes
from sampler.ops.colour import ColourMatrix, colour_matrix, mean_grey
from sampler.ops.resize import Image
from sampler.recipe import Recipe
from sampler.sample.recipes import draw_recipe, fixed_recipe
from sampler.stream.keys import SampleKey


class BoxSource(Protocol):
    """What a recipe needs of a dataset: `size` (height, width) and boxes of an image, in the sampler's order.

    `image_of` returns the index of the image that the sample of a key is made from: `key.index`, or that of another
    image if it is unusable.
    """

    def image_of(self, key: SampleKey) -> int: ...

    def size(self, index: int) -> tuple[int, int]: ...

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes: ...


class SampleSource(BoxSource, Protocol):
    """What a sample needs of a dataset: also the decoded image.

    `read` returns an image of the size that `size` gives. If `region` is given, only these pixels need to be there and
    valid.
    """

    def read(self, index: int, region: Region | None = None) -> ImagePart: ...


class PlannedSample(NamedTuple):
    """Everything about a sample that does not depend on pixels.

    Attributes:
        image: Index of the image whose pixels the sample needs.
        boxes: (N, 5) float32, the image's boxes in image pixels, unclipped.
        recipe: The random decisions.
        plan: The plan of the crop.
        region: The pixels of the image that the crop reads.
    """

    image: int
    boxes: Boxes
    recipe: Recipe
    plan: CropPlan
    region: Region


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample before rendering: everything that the dense arrays are a function of.

    Attributes:
        recipe: The random decisions.
        crop: (S, S, 3) uint8 BGR.
        colour: (3, 4) float32, from a pixel to the normalised image.
        boxes: (N, 5) float32 in crop pixels.
        objects: (N,) bool, False for ignored boxes.
    """

    recipe: Recipe
    crop: Image
    colour: ColourMatrix
    boxes: Boxes
    objects: Booleans


def make_sample(
    dataset: SampleSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True, kernels: Kernels = REFERENCE
) -> Sample:
    """Return the sample of a key. The same arguments give the same bytes in any process on any machine.

    Args:
        dataset: Images and boxes.
        config: Everything else that a sample depends on.
        key: Seed, epoch and dataset index.
        augment: False for the fixed recipe, the same for every seed and epoch unless the image has substitutes.
        kernels: Inner loops to use; the bytes do not depend on them.

    Raises:
        InvalidRequestError: The dataset has no such index.
        ImageError: The image cannot be read as annotated.
    """
    planned = plan_sample(dataset, config, key, augment, kernels)
    return fill_sample(dataset.read(planned.image, planned.region), planned.plan, planned.recipe, config, kernels)


def plan_sample(
    dataset: BoxSource, config: SamplerConfig, key: SampleKey, augment: bool = True, kernels: Kernels = REFERENCE
) -> PlannedSample:
    """Return boxes, recipe and plan of a key. Reads no pixels. Raises InvalidRequestError like `make_sample`."""
    image = dataset.image_of(key)
    boxes = dataset.boxes(image, keep_crowd=config.keep_crowd)
    height, width = dataset.size(image)
    recipe = _recipe(key, config, image, height, width, boxes, augment, kernels)
    plan = family_of(config).plan_crop(height, width, boxes, recipe, config, kernels)
    return PlannedSample(image, boxes, recipe, plan, plan.source_region(height, width))


def plan_samples(
    dataset: BoxSource,
    config: SamplerConfig,
    keys: Iterable[SampleKey],
    augment: bool = True,
    kernels: Kernels = REFERENCE,
) -> list[PlannedSample]:
    """Return what `plan_sample` returns for each key, up to the first key for which it raises an error.

    Planning is Python code. It takes a third of the time if no image is decoded in between, which would drive it out of
    the CPU's caches.
    """
    plans: list[PlannedSample] = []
    for key in keys:
        try:
            plans.append(plan_sample(dataset, config, key, augment, kernels))
        except Exception:  # noqa: BLE001 - families are code of users; the caller meets the error again at its turn
            break
    return plans


def recipe_of(dataset: BoxSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> Recipe:
    """Return the recipe of a key. Needs the annotated size and boxes of the image, not its pixels."""
    image = dataset.image_of(key)
    boxes = dataset.boxes(image, keep_crowd=config.keep_crowd)
    return _recipe(key, config, image, *dataset.size(image), boxes, augment, REFERENCE)


def _recipe(
    key: SampleKey,
    config: SamplerConfig,
    image: int,
    height: int,
    width: int,
    boxes: Boxes,
    augment: bool,
    kernels: Kernels,
) -> Recipe:
    """Return the recipe of a key whose sample is made from the image of index `image`."""
    if augment:
        recipe = draw_recipe(key, config, height, width, boxes, kernels)
    else:
        recipe = fixed_recipe(config, height, width, boxes)
    return recipe if image == key.index else replace(recipe, substitute=image)


def apply_recipe(
    image: Image, boxes: Boxes, recipe: Recipe, config: SamplerConfig, kernels: Kernels = REFERENCE
) -> Sample:
    """Return the sample that a drawn or recorded recipe makes of an image and its boxes.

    image: (H, W, 3) uint8 BGR. boxes: (N, 5) float32 in image pixels, unclipped. Raises `RecipeError` if the recipe
    does not fit them.
    """
    plan = family_of(config).plan_crop(image.shape[0], image.shape[1], boxes, recipe, config, kernels)
    return fill_sample(ImagePart(image), plan, recipe, config, kernels)


def fill_sample(
    part: ImagePart,
    plan: CropPlan,
    recipe: Recipe,
    config: SamplerConfig,
    kernels: Kernels = REFERENCE,
    crop: Image | None = None,
) -> Sample:
    """Return the sample of the plan that a family's `plan_crop` made for a recipe.

    Args:
        part: The image, or a part that covers the plan's `source_region`.
        plan: The plan of the crop.
        recipe: The recipe that the plan was made for.
        config: The sampler config.
        kernels: Inner loops to use.
        crop: (S, S, 3) uint8, C order, memory for the pixels; new memory by default.
    """
    pixels = np.empty((*config.input_size, 3), np.uint8) if crop is None else crop
    grey = mean_grey(_fill_crop(part, plan, pixels, kernels), config.input_side**2)
    return Sample(recipe, pixels, colour_matrix(recipe, config, grey), plan.boxes, plan.objects)


def _fill_crop(part: ImagePart, plan: CropPlan, out: Image, kernels: Kernels) -> tuple[int, int, int]:
    """Write the crop's pixels into `out`; return the sums of blue, green and red."""
    window, offset = plan.window, plan.window.offset
    start, shape, place = (window.rows[0], window.columns[0]), window.shape, (part.size, part.origin)
    if plan.canvas is None:
        return kernels.fill_canvas(part.pixels, plan.size, start, shape, offset, plan.flip, out, *place)
    return kernels.resize_canvas(part.pixels, plan.canvas, start, shape, offset, plan.flip, out, *place)
