"""Compiled kernels over pixels produce the same bytes as those of NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.families.crop_plan import CropPlan, Window
from sampler.image_part import ImagePart, Region
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.layouts.convert import lay_out
from sampler.ops.resize import Pair
from sampler.recipe import Recipe
from sampler.sample.sample import apply_recipe, make_sample
from sampler.stream.keys import SampleKey
from tests.support.coco_files import read_file
from tests.support.laws import random_numbers

SIDES = st.one_of(st.integers(1, 6), st.integers(1, 260))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return random_numbers(seed).integers(0, 256, (height, width, 3), np.uint8)


def filled(
    kernels: Kernels,
    image: NDArray[np.uint8],
    size: Pair,
    window: list[int],
    flip: bool,
    source: Pair | None = None,
    origin: Pair = (0, 0),
) -> bytes:
    top, bottom, left, right = window
    canvas = np.full((bottom - top + 5, right - left + 7, 3), 77, np.uint8)
    shape = bottom - top, right - left
    sums = kernels.fill_canvas(image, size, (top, left), shape, (2, 3), flip, canvas, source, origin)
    assert sums == tuple(canvas.sum(axis=(0, 1)).tolist())
    return canvas.tobytes()


@settings(max_examples=150)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 1 << 32), st.booleans(), st.data())
@example(1, 1, 5, 5, 0, True, None)
@example(2, 3, 2, 3, 0, True, None)
@example(40, 60, 20, 30, 0, False, None)
def test_any_window_fills_the_same_canvas(
    height: int, width: int, to_height: int, to_width: int, seed: int, flip: bool, data: st.DataObject | None
) -> None:
    window = [0, to_height, 0, to_width]
    if data is not None:
        window[:2] = sorted(data.draw(st.tuples(st.integers(0, to_height), st.integers(0, to_height))))
        window[2:] = sorted(data.draw(st.tuples(st.integers(0, to_width), st.integers(0, to_width))))
    image, size = noise(height, width, seed), (to_height, to_width)
    assert filled(COMPILED, image, size, window, flip) == filled(REFERENCE, image, size, window, flip)


@settings(max_examples=150)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 1 << 32), st.booleans(), st.data())
def test_a_part_that_covers_what_is_blended_fills_the_canvas_of_the_whole_image(
    height: int, width: int, to_height: int, to_width: int, seed: int, flip: bool, data: st.DataObject
) -> None:
    rows = sorted(data.draw(st.tuples(st.integers(0, to_height), st.integers(0, to_height))))
    columns = sorted(data.draw(st.tuples(st.integers(0, to_width), st.integers(0, to_width))))
    image, size = noise(height, width, seed), (to_height, to_width)
    window = Window((rows[0], rows[1]), (columns[0], columns[1]), (0, 0))
    plan = CropPlan(np.zeros((0, 5), np.float32), np.zeros(0, bool), np.zeros(0, int), size, window, None, flip)
    (top, bottom), (left, right) = plan.source_region(height, width).rows, plan.source_region(height, width).columns
    part = np.ascontiguousarray(image[top:bottom, left:right])
    for kernels in (COMPILED, REFERENCE):
        place = (height, width), (top, left)
        whole = filled(kernels, image, size, [*rows, *columns], flip)
        assert filled(kernels, part, size, [*rows, *columns], flip, *place) == whole


@pytest.mark.parametrize("scale", [0.02, 0.5, 1.0, 7.3, 900.0, 4096.0])
def test_any_scale_fills_the_same_canvas(scale: float) -> None:
    image = noise(60, 90)
    size = max(1, int(60 * scale)), max(1, int(90 * scale))
    for top, left in ((0, 0), (size[0] // 2, size[1] // 2), (max(0, size[0] - 254), max(0, size[1] - 254))):
        window = [top, min(size[0], top + 254), left, min(size[1], left + 254)]
        assert filled(COMPILED, image, size, window, True) == filled(REFERENCE, image, size, window, True)


def test_a_source_that_is_not_contiguous_fills_the_same_canvas() -> None:
    image = noise(80, 120)[::2, ::-1]
    assert filled(COMPILED, image, (99, 77), [3, 60, 5, 70], False) == filled(
        REFERENCE, image, (99, 77), [3, 60, 5, 70], False
    )


@settings(max_examples=150)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 1 << 32), st.booleans(), st.data())
def test_any_window_on_any_canvas_fills_the_same_pixels(
    canvas_height: int, canvas_width: int, height: int, width: int, seed: int, flip: bool, data: st.DataObject
) -> None:
    canvas, size = (canvas_height, canvas_width), (height, width)
    shape = tuple(data.draw(st.integers(0, side)) for side in canvas)
    offset = tuple(data.draw(st.integers(0, side - length)) for side, length in zip(canvas, shape, strict=True))
    start, origin = (data.draw(st.tuples(st.integers(0, 50), st.integers(0, 50))) for _ in range(2))
    start = start[0] + origin[0], start[1] + origin[1]
    more = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    part = noise(start[0] - origin[0] + shape[0] + more[0], start[1] - origin[1] + shape[1] + more[1], seed)
    found = []
    for kernels in (COMPILED, REFERENCE):
        out = np.full((*size, 3), 77, np.uint8)
        sums = kernels.resize_canvas(
            part, canvas, start, (shape[0], shape[1]), (offset[0], offset[1]), flip, out, (500, 500), origin
        )
        assert sums == tuple(out.sum(axis=(0, 1)).tolist())
        found.append(out.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("kernels", [COMPILED, REFERENCE])
@pytest.mark.parametrize("start", [(4, 9), (5, 8), (16, 9), (5, 30)])
def test_a_window_outside_the_part_is_refused(kernels: Kernels, start: Pair) -> None:
    part, out = noise(20, 30), np.zeros((25, 25, 3), np.uint8)
    with pytest.raises(ValueError, match="the part of the image lacks pixels"):
        kernels.resize_canvas(part, (20, 20), start, (10, 10), (3, 3), False, out, (500, 500), (5, 9))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1 << 32))
def test_colours_are_identical(height: int, width: int, seed: int) -> None:
    pixels = noise(height, width, seed)
    matrix = random_numbers(seed + 1).normal(0, 0.02, (3, 4)).astype(np.float32)
    assert (
        COMPILED.apply_colour(pixels, matrix, None).tobytes() == REFERENCE.apply_colour(pixels, matrix, None).tobytes()
    )


def test_colours_are_written_into_a_given_array() -> None:
    pixels, matrix = noise(6, 7), np.eye(3, 4, dtype=np.float32)
    batch = np.zeros((2, 3, 6, 7), np.float32)
    assert COMPILED.apply_colour(pixels, matrix, batch[1]) is not None
    assert np.array_equal(batch[1], pixels.transpose(2, 0, 1))
    assert not batch[0].any()


class Noise:
    """A dataset of noise with one box per image."""

    def read(self, index: int, region: Region | None = None) -> ImagePart:  # noqa: ARG002 - all pixels are there
        return ImagePart(noise(200 + index, 300, index))

    def image_of(self, key: SampleKey) -> int:
        return key.index

    def size(self, index: int) -> tuple[int, int]:
        return 200 + index, 300

    def boxes(self, index: int, keep_crowd: bool = True) -> NDArray[np.float32]:
        assert keep_crowd
        return np.array([[20, 30, 20 + 5 * (index + 1), 90, 1]], np.float32)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_samples_are_identical(preset: SamplerConfig) -> None:
    for index in range(12):
        key = SampleKey(3, 1, index)
        plain, compiled = (make_sample(Noise(), preset, key, kernels=kernels) for kernels in (REFERENCE, COMPILED))
        one, other = lay_out(plain, "dense", preset, 2), lay_out(compiled, "dense", preset, 2, COMPILED)
        assert {name: array.tobytes() for name, array in one.items()} == {
            name: array.tobytes() for name, array in other.items()
        }
        assert plain.crop.tobytes() == compiled.crop.tobytes()


def test_compiled_kernels_reproduce_the_published_crops(shared: Path) -> None:
    cases = json.loads((shared / "golden/cases.json").read_text())
    sizes = {
        image["file_name"]: (image["width"], image["height"])
        for split in ("train2017", "val2017")
        for image in json.loads((shared / f"coco-tiny/annotations/instances_{split}.json").read_text())["images"]
    }
    for case in cases:
        path = shared / "coco-tiny/images" / case["split"] / case["file_name"]
        image = read_file(path, *sizes[case["file_name"]])
        boxes = np.array(case["boxes"], np.float32).reshape(-1, 5)
        sample = apply_recipe(image, boxes, Recipe.parse(case["recipe"]), PRESETS[case["config"]], COMPILED)
        golden = np.load(shared / f"golden/{case['case']}.npz")
        assert np.array_equal(sample.crop, golden["crop_bgr_u8"]), case["case"]
        grid = COMPILED.apply_colour(sample.crop, sample.colour, None)[:, ::5, ::5]
        assert np.abs(grid - golden["image_grid"]).max() <= 5e-6, case["case"]
