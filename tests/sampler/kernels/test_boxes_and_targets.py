"""Compiled random bits, boxes and targets equal those of NumPy to the last bit, also for extreme numbers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.families.registry import family_of
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.reference import REFERENCE
from sampler.layouts.render import render_targets
from sampler.ops.boxes import Boxes, Frame
from sampler.ops.gaussian import bump_radius
from sampler.sample.recipes import draw_recipe
from sampler.stream.keys import SampleKey
from tests.support.batches import CATEGORIES, CONFIGS, random_batch, soiled
from tests.support.laws import assert_same_arrays, random_boxes, random_numbers

WORDS = st.integers(0, (1 << 64) - 1)
PLACES = st.integers(0, (1 << 63) - 1)
CORNERS = st.one_of(
    st.floats(-600, 600, width=32),
    st.sampled_from([0.0, -0.0, 1.0, 253.0, 254.0, 1e-38, 1e-45, 3e38, -3e38, 0.5, 127.5]),
)
SCALES = st.one_of(st.floats(1e-3, 64), st.sampled_from([1.0, 0.5, 0.1, 4096.0, 1e-3]))


@given(WORDS, WORDS, PLACES, PLACES, st.integers(0, 41))
@example(0, 0, 0, 0, 19)
@example((1 << 64) - 1, (1 << 64) - 1, (1 << 63) - 1, (1 << 63) - 1, 19)
def test_random_bits_are_those_of_numpys_generator(seed: int, domain: int, epoch: int, index: int, count: int) -> None:
    plain, compiled = (kernels.random_bits(seed, domain, epoch, index, count) for kernels in (REFERENCE, COMPILED))
    generator = np.random.Philox(
        key=np.array([seed, domain], np.uint64), counter=np.array([0, index, epoch, 0], np.uint64)
    )
    assert compiled.dtype == plain.dtype == np.uint64
    assert compiled.tolist() == plain.tolist() == generator.random_raw(count).tolist()


def bits(array: NDArray[np.generic]) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def odd_boxes(corners: list[tuple[float, float, float, float]]) -> Boxes:
    return np.array([(*corner, 1 + row % 3) for row, corner in enumerate(corners)], np.float32).reshape(-1, 5)


@given(st.lists(st.tuples(CORNERS, CORNERS, CORNERS, CORNERS), max_size=6), st.integers(1, 600), st.integers(1, 600))
def test_boxes_are_clipped_identically(
    corners: list[tuple[float, float, float, float]], height: int, width: int
) -> None:
    boxes = odd_boxes(corners)
    before = boxes.tobytes()
    found = [kernels.clip_boxes(boxes, 0, 0, width - 1, height - 1) for kernels in (REFERENCE, COMPILED)]
    # A zero may have either sign; no later step distinguishes them.
    assert [bits(array + 0) for array in found[0]] == [bits(array + 0) for array in found[1]]
    assert boxes.tobytes() == before


@settings(max_examples=300)
@given(
    st.lists(st.tuples(CORNERS, CORNERS, CORNERS, CORNERS), max_size=6), st.integers(1, 600), st.integers(1, 600),
    SCALES, st.booleans(), st.tuples(st.integers(-9000, 300), st.integers(-9000, 300)),
    st.tuples(st.integers(0, 254), st.integers(0, 254), st.integers(-1, 254), st.integers(-1, 254)),
    st.sampled_from([None, 255, 511]), st.integers(0, 40),
)  # fmt: skip
def test_boxes_are_framed_identically(
    corners: list[tuple[float, float, float, float]], height: int, width: int, scale: float, single: bool,
    move: tuple[int, int], filled: tuple[int, int, int, int], flip_in: int | None, least: int,
) -> None:  # fmt: skip
    boxes = odd_boxes(corners)
    factor = np.float32(scale) if single else np.float64(scale)
    frame = Frame((height, width), factor, move, filled, flip_in, least)
    plain, compiled = (kernels.frame_boxes(boxes, frame) for kernels in (REFERENCE, COMPILED))
    assert [bits(array) for array in plain[:3]] == [bits(array) for array in compiled[:3]]
    assert plain[3] == compiled[3]


def test_a_box_with_an_infinite_or_zero_area_is_no_object() -> None:
    boxes = np.array(
        [[-3e38, -3e38, 3e38, 3e38, 1], [5, 5, 5 + 1e-6, 5 + 1e-6, 2], [3e-23, 3e-23, 4e-23, 4e-23, 3]], np.float32
    )
    frame = Frame((100, 100), np.float32(4096), (0, 0), (0, 0, 253, 253), None, 0)
    plain, compiled = (kernels.frame_boxes(boxes, frame) for kernels in (REFERENCE, COMPILED))
    assert [bits(array) for array in plain[:3]] == [bits(array) for array in compiled[:3]]
    assert not plain[1].all()


@pytest.mark.parametrize("name", CONFIGS)
def test_recipes_and_plans_are_the_same_for_many_keys(name: str) -> None:
    config = CONFIGS[name]
    for index in range(150):
        numbers = random_numbers(index)
        height, width = (int(side) for side in numbers.integers(1, 700, 2))
        boxes = random_boxes(numbers, int(numbers.integers(0, 9)), height, width, CATEGORIES)
        boxes.flags.writeable = bool(index % 2)
        recipes = [
            draw_recipe(SampleKey(index, 1, index), config, height, width, boxes, kernels)
            for kernels in (REFERENCE, COMPILED)
        ]
        assert recipes[0] == recipes[1]
        plain, compiled = (
            family_of(config).plan_crop(height, width, boxes, recipes[0], config, kernels)
            for kernels in (REFERENCE, COMPILED)
        )
        for field in ("boxes", "objects", "rows"):
            assert bits(getattr(plain, field)) == bits(getattr(compiled, field))
        assert (
            dataclasses.replace(plain, boxes=compiled.boxes, objects=compiled.objects, rows=compiled.rows) == compiled
        )


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.62])
def test_radii_are_identical_for_every_size_of_box(iou: float) -> None:
    config = dataclasses.replace(
        CONFIGS["saccade"], output_size=(64, 64), input_size=(64, 64), gaussian_iou=iou, attention=()
    )
    sizes = np.array([(high, wide) for high in range(64) for wide in range(64)], np.float32)
    boxes = np.zeros((len(sizes), 5), np.float32)
    boxes[:, 2:4], boxes[:, 4] = sizes[:, ::-1], 1
    out = {name: array for name, array in soiled(config, len(boxes)).items() if name != "images"}
    for array in out.values():
        array.fill(0)
    render_targets(boxes, np.ones(len(boxes), np.bool_), np.arange(len(boxes) + 1), config, out, COMPILED)
    for row, (high, wide) in enumerate(sizes.astype(int).tolist()):
        reach = (
            int(np.count_nonzero(out["tl_heats"][row, 0, 0])) - 1
        )  # the corner lies at the edge, half the bump is cut
        assert reach == bump_radius(high, wide, iou)


@pytest.mark.parametrize("name", CONFIGS)
def test_targets_of_one_sample_are_drawn_identically(name: str) -> None:
    config = CONFIGS[name]
    for seed, count in enumerate((1, 2, 7, 30)):
        batch = random_batch(config, [count], seed)
        one, other = ({key: array for key, array in soiled(config, 1).items() if key != "images"} for _ in range(2))
        objects = batch.objects.astype(np.bool_)
        render_targets(batch.boxes, objects, batch.starts, config, one, COMPILED)
        render_targets(batch.boxes, objects, batch.starts, config, other, REFERENCE)
        assert_same_arrays(one, other)


def test_targets_are_drawn_into_arrays_that_are_not_contiguous() -> None:
    config = CONFIGS["saccade"]
    batch = random_batch(config, [4, 0, 5], 3)
    objects = batch.objects.astype(np.bool_)
    expected, wide = soiled(config, 3), soiled(config, 6)
    out = {name: array[::2] for name, array in wide.items()}
    render_targets(batch.boxes, objects, batch.starts, config, expected, REFERENCE)
    render_targets(batch.boxes, objects, batch.starts, config, out, COMPILED)
    assert_same_arrays({name: array.copy() for name, array in out.items()}, expected)


@pytest.mark.parametrize("change", [
    {0: -9.0}, {2: 300.0}, {3: 255.0}, {4: 0.0}, {4: CATEGORIES + 1.0}, {1: np.nan}, {3: np.inf},
])  # fmt: skip
def test_a_box_outside_is_refused_before_anything_is_drawn(change: dict[int, float]) -> None:
    config = CONFIGS["saccade"]
    boxes = np.array([[3, 3, 60, 70, 1], [3, 3, 60, 70, 1]], np.float32)
    for column, value in change.items():
        boxes[1, column] = value
    out = soiled(config, 1)
    with pytest.raises(IndexError, match=r"boxes\[1\] = .*: expected a box within the crop"):
        render_targets(boxes, np.ones(2, np.bool_), np.array([0, 2]), config, out, COMPILED)
    assert_same_arrays(out, soiled(config, 1))


def test_arrays_of_another_shape_or_dtype_are_refused_by_name() -> None:
    config, boxes = CONFIGS["saccade"], np.array([[3, 3, 60, 70, 1]], np.float32)
    for name, array in (
        ("br_tags", np.zeros((1, config.max_objects), np.int32)),
        ("tl_regrs", np.zeros((1, config.max_objects + 1, 2), np.float32)),
        ("attentions_1", np.zeros((1, 1, 9, 9), np.float32)),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected a writable"):
            render_targets(
                boxes, np.ones(1, np.bool_), np.array([0, 1]), config, soiled(config, 1) | {name: array}, COMPILED
            )


def test_starts_and_objects_must_match_the_boxes() -> None:
    config, boxes = CONFIGS["saccade"], np.array([[3, 3, 60, 70, 1], [3, 3, 60, 70, 1]], np.float32)
    for starts, objects in (([0, 1], 2), ([1, 2], 2), ([0, 2, 1, 2], 2), ([0, 2], 1)):
        out = soiled(config, len(starts) - 1)
        with pytest.raises(ValueError, match="starts, objects: expected to partition 2 boxes"):
            render_targets(boxes, np.ones(objects, np.bool_), np.array(starts), config, out, COMPILED)
        assert_same_arrays(out, soiled(config, len(starts) - 1))


def test_planes_that_are_read_only_are_refused() -> None:
    config, boxes = CONFIGS["saccade"], np.array([[3, 3, 60, 70, 1]], np.float32)
    out = soiled(config, 1)
    out["tl_heats"].flags.writeable = False
    for kernels in (REFERENCE, COMPILED):
        with pytest.raises(ValueError, match=r"read-only|writable"):
            render_targets(boxes, np.ones(1, np.bool_), np.array([0, 1]), config, out, kernels)
    assert_same_arrays(out, soiled(config, 1))
