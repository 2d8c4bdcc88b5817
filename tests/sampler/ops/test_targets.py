"""Targets equal those of a plain loop over pixels and boxes."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.array_table import allocate, dense_table
from sampler.arrays import Arrays
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.layouts.render import render_targets
from sampler.ops.boxes import Boxes
from sampler.ops.gaussian import bump_radius
from sampler.ops.targets import untagged
from tests.support.laws import random_numbers

SACCADE = PRESETS["cornernet_saccade"]
CATEGORIES = 3


def drawn(boxes: Boxes, objects: NDArray[np.bool_], config: SamplerConfig) -> Arrays:
    out = allocate(config, CATEGORIES)
    render_targets(
        boxes, objects, np.array([0, len(boxes)]), config, {name: array[None] for name, array in out.items()}
    )
    del out["images"]
    return out


def plain_bump(plane: NDArray[np.float32], y: int, x: int, radius: int) -> None:
    """A Gaussian, pixel by pixel."""
    sigma = (2 * radius + 1) / 6
    for row in range(plane.shape[0]):
        for column in range(plane.shape[1]):
            if abs(row - y) <= radius and abs(column - x) <= radius:
                height = math.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * sigma**2))
                plane[row, column] = max(plane[row, column], np.float32(height))


def by_definition(boxes: Boxes, objects: NDArray[np.bool_], config: SamplerConfig) -> Arrays:
    """The published targets, restated box by box and pixel by pixel."""
    out = {spec.name: np.zeros([int(n) for n in spec.shape], spec.dtype) for spec in dense_table(config, CATEGORIES)}
    del out["images"]
    height, width = config.output_size
    ratios = [np.float32(width / config.input_side), np.float32(height / config.input_side)] * 2
    tagged = 0
    for box, is_object in zip(boxes, objects, strict=True):
        scaled = [np.float32(side * ratio) for side, ratio in zip(box[:4], ratios, strict=True)]
        x0, y0, x1, y1 = (int(side) for side in scaled)
        wide = math.ceil(np.float32((box[2] - box[0]) * ratios[0]))
        high = math.ceil(np.float32((box[3] - box[1]) * ratios[1]))
        radius = bump_radius(high, wide, config.gaussian_iou)
        kind = "heats" if is_object else "valids"
        plain_bump(out[f"tl_{kind}"][int(box[4]) - 1], y0, x0, radius)
        plain_bump(out[f"br_{kind}"][int(box[4]) - 1], y1, x1, radius)
        if is_object and tagged < config.max_objects:
            out["tl_regrs"][tagged] = [scaled[0] - x0, scaled[1] - y0]
            out["br_regrs"][tagged] = [scaled[2] - x1, scaled[3] - y1]
            out["tl_tags"][tagged] = y0 * width + x0
            out["br_tags"][tagged] = y1 * width + x1
            out["tag_masks"][tagged] = 1
            tagged += 1
        longest = max(box[2] - box[0], box[3] - box[1])
        for number, attention in enumerate(config.attention):
            if attention.longest[0] <= longest <= attention.longest[1]:
                y, x = (int((box[i] + box[i + 2]) / 2 / attention.ratio) for i in (1, 0))
                out[f"attentions_{number}"][0, y, x] = 1
    for name in [name for name in out if name.endswith("_valids")]:
        out[name] = (out[name] == 0).astype(np.float32)
    return out


def random_targets(seed: int, count: int, side: int) -> tuple[Boxes, NDArray[np.bool_]]:
    numbers = random_numbers(seed)
    corners = numbers.uniform(0, side - 1, (count, 2, 2)) * numbers.choice([1.0, 0.3], (count, 1, 1))
    boxes = np.hstack([corners.min(axis=1), corners.max(axis=1), numbers.integers(1, CATEGORIES + 1, (count, 1))])
    return boxes.astype(np.float32), numbers.random(count) < 0.7


def assert_targets_equal(found: Arrays, expected: Arrays) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        if name.endswith("heats"):
            np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-7, err_msg=name)
            np.testing.assert_array_equal(found[name] == 0, array == 0, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], array, err_msg=name)


@given(st.integers(0, 1 << 32), st.integers(0, 9))
def test_saccade_targets_equal_those_of_a_plain_loop(seed: int, count: int) -> None:
    boxes, objects = random_targets(seed, count, 255)
    assert_targets_equal(drawn(boxes, objects, SACCADE), by_definition(boxes, objects, SACCADE))


@pytest.mark.parametrize("preset", ["cornernet", "cornernet_squeeze"])
@pytest.mark.parametrize("seed", range(3))
def test_cornernet_targets_equal_those_of_a_plain_loop(preset: str, seed: int) -> None:
    config = PRESETS[preset]
    boxes, objects = random_targets(seed, 6, 511)
    objects[:] = True
    assert_targets_equal(drawn(boxes, objects, config), by_definition(boxes, objects, config))


@pytest.mark.parametrize("sizes", [((255, 255), (64, 32)), ((127, 127), (127, 127)), ((256, 256), (1, 1))])
def test_targets_of_other_sizes_equal_those_of_a_plain_loop(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    config = dataclasses.replace(SACCADE, input_size=sizes[0], output_size=sizes[1], attention=())
    boxes, objects = random_targets(7, 8, sizes[0][0])
    boxes[0, :4] = [0, 0, sizes[0][0] - 1, sizes[0][0] - 1]
    assert_targets_equal(drawn(boxes, objects, config), by_definition(boxes, objects, config))


def boxes_of(*rows: Sequence[float]) -> Boxes:
    return np.array([[*row, 1] for row in rows], np.float32).reshape(-1, 5)


def test_no_boxes_leave_every_array_at_its_background() -> None:
    found = drawn(boxes_of(), np.zeros(0, np.bool_), SACCADE)
    for spec in dense_table(SACCADE, CATEGORIES)[1:]:
        assert (found[spec.name] == spec.background).all(), spec.name


def test_objects_beyond_128_draw_bumps_but_get_no_row() -> None:
    boxes, objects = random_targets(3, 200, 255)
    objects[:] = True
    found = drawn(boxes, objects, SACCADE)
    assert_targets_equal(found, by_definition(boxes, objects, SACCADE))
    assert found["tag_masks"].all()
    assert untagged(objects, SACCADE) == 72
    assert untagged(objects[:128], SACCADE) == 0
    last = boxes[199] * np.float32(64 / 255)
    assert found["tl_heats"][int(boxes[199, 4]) - 1, int(last[1]), int(last[0])] == 1


def test_ignored_boxes_do_not_count_towards_the_128_rows() -> None:
    boxes, objects = random_targets(4, 300, 255)
    found = drawn(boxes, objects, SACCADE)
    assert_targets_equal(found, by_definition(boxes, objects, SACCADE))
    assert untagged(objects, SACCADE) == int(objects.sum()) - 128


@pytest.mark.parametrize(("longest", "maps"), [
    (31, {2}), (32, {1, 2}), (33, {1}), (96, {0, 1}), (97, {0}), (254, {0}), (0.5, {2}),
])  # fmt: skip
def test_a_box_marks_every_attention_map_whose_range_holds_its_longer_side(longest: float, maps: set[int]) -> None:
    found = drawn(boxes_of((0, 0, longest, 0.25)), np.array([False]), SACCADE)
    assert {number for number in range(3) if found[f"attentions_{number}"].any()} == maps


def test_without_bumps_only_corner_cells_are_set() -> None:
    config = dataclasses.replace(SACCADE, gaussian_bump=False)
    found = drawn(boxes_of((10, 10, 200, 200), (5, 5, 100, 100)), np.array([True, False]), config)
    assert [int(found[name].sum()) for name in ("tl_heats", "br_heats")] == [1, 1]
    assert [int((1 - found[name]).sum()) for name in ("tl_valids", "br_valids")] == [1, 1]


def test_a_fixed_radius_applies_to_every_bump() -> None:
    config = dataclasses.replace(SACCADE, gaussian_radius=2)
    found = drawn(boxes_of((100, 100, 101, 101), (90, 90, 200, 210)), np.array([True, False]), config)
    assert int((found["tl_heats"] > 0).sum()) == 25
    assert int((found["br_valids"] == 0).sum()) == 25
