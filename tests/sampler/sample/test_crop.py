"""Crops equal those of the published steps on the whole scaled image."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import RecipeError
from sampler.families.crop_plan import window_at
from sampler.families.registry import family_of
from sampler.image_part import ImagePart
from sampler.kernels.reference import REFERENCE
from sampler.ops.boxes import Boxes
from sampler.recipe import Recipe
from sampler.sample.recipes import draw_recipe
from sampler.sample.sample import fill_sample
from sampler.stream.keys import SampleKey
from tests.support.laws import random_boxes, random_numbers

SACCADE = PRESETS["cornernet_saccade"]
CORNERNET = PRESETS["cornernet"]
SIDE = 255


class Crop(NamedTuple):
    pixels: NDArray[np.uint8]
    boxes: Boxes
    objects: NDArray[np.bool_]
    rows: NDArray[np.intp]


def make_crop(image: NDArray[np.uint8], boxes: Boxes, recipe: Recipe, config: SamplerConfig) -> Crop:
    plan = family_of(config).plan_crop(image.shape[0], image.shape[1], boxes, recipe, config, REFERENCE)
    return Crop(fill_sample(ImagePart(image), plan, recipe, config).crop, plan.boxes, plan.objects, plan.rows)


def image_of(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return random_numbers(seed).integers(0, 256, (height, width, 3), np.uint8)


def boxes_of(*rows: Sequence[float]) -> Boxes:
    return np.array([[*row, 1] for row in rows], np.float32).reshape(-1, 5)


def at(scale: float, y: int, x: int, reference: int | None = None, flip: bool = False) -> Recipe:
    return Recipe(scale=scale, reference=reference, center=(y, x), flip=flip)


def pasted(plane: NDArray[np.uint8], center: tuple[int, int], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """The published copy onto a black canvas, pixel by pixel along each axis."""
    cropped = np.zeros((*canvas, 3), np.uint8)
    for axis in (0, 1):
        half = canvas[axis] // 2
        places = list(range(max(0, center[axis] - half), min(center[axis] + half, plane.shape[axis])))
        targets = [p - center[axis] + half for p in places]
        if axis == 0:
            rows, row_targets = places, targets
        else:
            cropped[np.ix_(row_targets, targets)] = plane[np.ix_(rows, places)]
    return cropped


def saccade_by_the_whole(image: NDArray[np.uint8], boxes: Boxes, recipe: Recipe) -> Crop:
    """The published saccade crop: the whole image is resized, and each box is computed by itself."""
    height, width = image.shape[:2]
    scale = np.float64(recipe.scale) if recipe.reference is None else np.float32(recipe.scale)
    extent = max(1, int(height * scale)), max(1, int(width * scale))
    plane = np.asarray(cv2.resize(image, extent[::-1]), np.uint8)
    cy, cx = recipe.center
    top, bottom = 127 - min(127, cy), 127 + min(127, extent[0] - cy)
    left, right = 127 - min(127, cx), 127 + min(127, extent[1] - cx)
    pixels = pasted(plane, recipe.center, (SIDE, SIDE))
    found, objects, rows = [], [], []
    for number, box in enumerate(boxes):
        x0, x1 = np.clip(box[[0, 2]], np.float32(0), np.float32(width - 1))
        y0, y1 = np.clip(box[[1, 3]], np.float32(0), np.float32(height - 1))
        if x1 <= x0 or y1 <= y0:
            continue
        moved = [np.float32(np.float32(side * scale) + np.float32(off))
                 for side, off in ((x0, 127 - cx), (y0, 127 - cy), (x1, 127 - cx), (y1, 127 - cy))]  # fmt: skip
        x0, x1 = (min(max(side, np.float32(left)), np.float32(right - 1)) for side in moved[::2])
        y0, y1 = (min(max(side, np.float32(top)), np.float32(bottom - 1)) for side in moved[1::2])
        if x1 <= x0 or y1 <= y0:
            continue
        if recipe.flip:
            x0, x1 = SIDE - x1 - 1, SIDE - x0 - 1
        whole = [np.float32(side * scale) for side in box[:4]]
        share = ((x1 - x0) * (y1 - y0)) / ((whole[2] - whole[0]) * (whole[3] - whole[1]))
        longest = max(int(x1) - int(x0), int(y1) - int(y0))
        found.append([x0, y0, x1, y1, box[4]])
        objects.append(bool(share > 0.5 and longest >= 16))
        rows.append(number)
    return Crop(pixels[:, ::-1] if recipe.flip else pixels, np.array(found, np.float32).reshape(-1, 5),
                np.array(objects, np.bool_), np.array(rows, np.intp))  # fmt: skip


def cornernet_by_the_whole(image: NDArray[np.uint8], boxes: Boxes, recipe: Recipe) -> tuple[NDArray[np.uint8], Boxes]:
    canvas = (int(511 * recipe.scale), int(511 * recipe.scale))
    pixels = np.asarray(cv2.resize(pasted(image, recipe.center, canvas), (511, 511)), np.uint8)
    half, ratio = canvas[0] // 2, np.float32(511 / canvas[0])
    found = []
    for *corners, category in boxes:
        # As published: boxes move to the cropped part first and to its place on the canvas second, each in float32.
        lefts, tops = max(0, recipe.center[1] - half), max(0, recipe.center[0] - half)
        dx, dy = half - (recipe.center[1] - lefts), half - (recipe.center[0] - tops)
        sides = [np.float32(np.float32(x - np.float32(lefts)) + np.float32(dx)) for x in corners[::2]]
        sides += [np.float32(np.float32(y - np.float32(tops)) + np.float32(dy)) for y in corners[1::2]]
        x0, x1, y0, y1 = (min(max(side * ratio, np.float32(0)), np.float32(510)) for side in sides)
        if x1 > x0 and y1 > y0:
            found.append([510 - x1, y0, 510 - x0, y1, category] if recipe.flip else [x0, y0, x1, y1, category])
    return pixels[:, ::-1] if recipe.flip else pixels, np.array(found, np.float32).reshape(-1, 5)


SIZES = st.one_of(st.sampled_from([1, 2, 254, 255, 256, 257]), st.integers(1, 420))


@given(SIZES, SIZES, st.integers(0, 1 << 32))
def test_saccade_crops_equal_those_of_the_whole_scaled_image(height: int, width: int, seed: int) -> None:
    numbers = random_numbers(seed)
    boxes = random_boxes(numbers, int(numbers.integers(0, 7)), height, width, 3)
    recipe = draw_recipe(SampleKey(seed, 0, 0), SACCADE, height, width, boxes)
    if height * width * recipe.scale**2 > 20e6:
        recipe = at(1.1, height // 2, width // 2)
    crop = make_crop(image_of(height, width, seed), boxes, recipe, SACCADE)
    expected = saccade_by_the_whole(image_of(height, width, seed), boxes, recipe)
    np.testing.assert_array_equal(crop.pixels, expected.pixels)
    np.testing.assert_array_equal(crop.boxes, expected.boxes, strict=True)
    np.testing.assert_array_equal(crop.objects, expected.objects)
    np.testing.assert_array_equal(crop.rows, expected.rows)
    assert crop.pixels.flags.c_contiguous


@pytest.mark.parametrize("seed", range(12))
def test_cornernet_crops_equal_those_of_the_whole_canvas(seed: int) -> None:
    numbers = random_numbers(seed)
    height, width = numbers.integers(1, 700, 2).tolist()
    boxes = random_boxes(numbers, 5, height, width, 3)
    recipe = draw_recipe(SampleKey(seed, 0, 0), CORNERNET, height, width, boxes)
    crop = make_crop(image_of(height, width, seed), boxes, recipe, CORNERNET)
    pixels, expected = cornernet_by_the_whole(image_of(height, width, seed), boxes, recipe)
    np.testing.assert_array_equal(crop.pixels, pixels)
    np.testing.assert_array_equal(crop.boxes, expected, strict=True)
    assert crop.objects.all()


def test_an_odd_canvas_keeps_its_last_row_and_column_black() -> None:
    crop = make_crop(np.full((600, 600, 3), 9, np.uint8), boxes_of(), at(1.0, 300, 300), SACCADE)
    assert (crop.pixels[:254, :254] == 9).all()
    assert not crop.pixels[254].any()
    assert not crop.pixels[:, 254].any()
    flipped = make_crop(np.full((600, 600, 3), 9, np.uint8), boxes_of(), at(1.0, 300, 300, flip=True), SACCADE)
    assert not flipped.pixels[:, 0].any()


@pytest.mark.parametrize(("box", "is_object"), [
    ((0, 0, 15.99, 15.99), False),  # 15 whole pixels
    ((0, 0, 16.5, 3), True),
    ((0.9, 0, 16.8, 3), True),  # whole pixels are counted between floors
    ((-30, 0, 29.9, 60), False),  # less than half of it lies in the image
    ((-28, 0, 30, 60), True),
    ((-30, 0, 30, 60), False),  # exactly half is not more than half
])  # fmt: skip
def test_objects_are_large_enough_and_more_than_half_visible(box: Sequence[float], is_object: bool) -> None:
    crop = make_crop(image_of(200, 200), boxes_of(box), at(1.0, 100, 100), SACCADE)
    assert crop.objects.tolist() == [is_object]


def test_min_scale_comes_from_the_config() -> None:
    config = dataclasses.replace(SACCADE, min_scale=3)
    crop = make_crop(image_of(200, 200), boxes_of((5, 5, 8.5, 6), (5, 5, 7.5, 6)), at(1.0, 100, 100), config)
    assert crop.objects.tolist() == [True, False]


def test_boxes_outside_the_image_or_the_crop_are_dropped() -> None:
    boxes = boxes_of((-50, 0, -1, 40), (500, 300, 560, 330), (0, 0, 40, 40), (700, 10, 900, 40))
    crop = make_crop(image_of(400, 640), boxes, at(1.0, 300, 530), SACCADE)
    assert crop.rows.tolist() == [1]
    assert crop.boxes.tolist() == [[97, 127, 157, 157, 1]]


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (2, 2)])
@pytest.mark.parametrize("preset", PRESETS)
def test_tiny_and_very_long_images_give_crops(size: tuple[int, int], preset: str) -> None:
    config = PRESETS[preset]
    boxes = boxes_of((0, 0, *size[::-1]), (0, 0, 0.01, 0.01))
    for index in range(5):
        recipe = draw_recipe(SampleKey(0, 0, index), config, *size, boxes)
        crop = make_crop(image_of(*size), boxes, recipe, config)
        assert crop.pixels.shape == (*config.input_size, 3)


def test_a_box_of_a_hundredth_of_a_pixel_is_enlarged() -> None:
    boxes = boxes_of((310.5, 200.25, 310.51, 200.26))
    for index in range(20):
        recipe = draw_recipe(SampleKey(0, 0, index), SACCADE, 480, 640, boxes)
        crop = make_crop(image_of(480, 640), boxes, recipe, SACCADE)
        assert crop.boxes.shape == (1, 5)
        assert recipe.scale > 1500


def test_the_image_and_its_boxes_are_not_modified() -> None:
    image, boxes = image_of(300, 300), boxes_of((5, 5, 90, 90))
    before = image.copy(), boxes.copy()
    for config in (SACCADE, CORNERNET):
        crop = make_crop(image, boxes, at(1.0, 150, 150, flip=True), config)
        crop.pixels[:] = 0
    assert (image == before[0]).all()
    assert (boxes == before[1]).all()


@pytest.mark.parametrize(("recipe", "cause"), [
    (at(1.0, 100, 100, reference=1), "reference = 1: expected less than 1, the boxes in the image"),
    (at(1.0, 400, 100), r"center = \[400, 100\]: the crop lies outside the plane"),
    (at(1.0, 100, -200), r"center = \[100, -200\]"),
    (at(1.0, 10**30, 0), "the crop lies outside the plane"),
])  # fmt: skip
def test_a_recipe_that_does_not_fit_is_refused(recipe: Recipe, cause: str) -> None:
    with pytest.raises(RecipeError, match=cause):
        make_crop(image_of(200, 200), boxes_of((5, 5, 90, 90)), recipe, SACCADE)


def test_a_canvas_beyond_memory_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"scale = 4000.0: expected a canvas of at most 16384 pixels"):
        make_crop(image_of(200, 200), boxes_of(), at(4000.0, 100, 100), CORNERNET)


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 1 << 30))
def test_a_window_is_cut_at_the_edges_of_the_plane(extent: int, canvas: int, place: int) -> None:
    center = place % extent
    window = window_at((center, center), (canvas, canvas), (extent, extent))
    half = canvas // 2
    assert window.rows == (max(0, center - half), min(center + half, extent))
    assert window.offset[0] + center - window.rows[0] == half
    assert window.bottom_right[0] <= canvas
