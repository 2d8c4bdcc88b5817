"""A batch rendered whole is its samples rendered one by one, whatever its arrays held and whoever's loops run."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.array_table import LAYOUTS, Arrays, Layout, allocate
from sampler.config.schema import PRESETS, SamplerConfig
from sampler.kernels.compiled.crop import COMPILED
from sampler.kernels.interface import PLAIN, Kernels
from sampler.layouts.convert import compact_to_dense, lay_out, unpack_batch
from sampler.layouts.render import render_batch
from sampler.ops.gaussian import bump
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from tests.support.batches import CATEGORIES, CONFIGS, CompactBatch, random_batch, soiled
from tests.support.laws import Pictures, assert_same_arrays, random_numbers

KERNELS = {"plain": PLAIN, "compiled": COMPILED}


def one_by_one(batch: CompactBatch, config: SamplerConfig) -> Arrays:
    whole = allocate(config, CATEGORIES, len(batch.crops))
    for row, sample in enumerate(batch.samples()):
        for name, array in compact_to_dense(sample, config, CATEGORIES).items():
            whole[name][row] = array
    return whole


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4), st.integers(0, 1 << 32))
def test_a_batch_is_its_samples_in_arrays_used_before(
    kernels: Kernels, name: str, counts: list[int], seed: int
) -> None:
    config = CONFIGS[name]
    batch = random_batch(config, counts, seed)
    expected = one_by_one(batch, config)
    stacked = soiled(config, len(counts))
    render_batch(batch.crops, batch.colours, batch.boxes, batch.objects, batch.starts, config, stacked, kernels)
    assert_same_arrays(stacked, expected)
    listed = soiled(config, len(counts))
    unpack_batch(batch.samples(), "compact", config, listed, kernels)
    assert_same_arrays(listed, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset", ["cornernet_saccade", "cornernet_squeeze"])
def test_every_layout_unpacks_to_the_same_batch(layout: Layout, preset: str) -> None:
    pictures, config = Pictures(5), PRESETS[preset]
    samples = [make_sample(pictures, config, SampleKey(3, 0, index)) for index in range(5)]
    expected = allocate(config, 5, 5)
    for row, sample in enumerate(samples):
        for name, array in lay_out(sample, "dense", config, 5).items():
            expected[name][row] = array
    out = allocate(config, 5, 5)
    for array in out.values():
        array.fill(7)
    unpack_batch([lay_out(sample, layout, config, 5) for sample in samples], layout, config, out, COMPILED)
    assert_same_arrays(out, expected)


@given(st.data(), st.booleans(), st.booleans())
def test_bumps_are_stamped_alike_anywhere(data: st.DataObject, clear: bool, aligned: bool) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)))
    count = data.draw(st.integers(1, 12))
    numbers = random_numbers(data.draw(st.integers(0, 1 << 32)))
    places = np.stack([numbers.integers(0, side, count) for side in shape], axis=1)
    radii = numbers.integers(0, 30, count)
    found = []
    for kernels in (PLAIN, COMPILED):
        memory = np.zeros(int(np.prod(shape)) * 4 + 1, np.uint8)
        planes = memory[int(not aligned) :][: memory.size - 1].view(np.float32).reshape(shape)
        planes.fill(0.25)
        kernels.stamp_bumps(planes, places, radii, clear)
        found.append(planes.tobytes())
    assert found[0] == found[1]


def test_the_compiled_stamp_refuses_a_place_outside_its_planes() -> None:
    planes = np.zeros((1, 2, 5, 5), np.float32)
    for place in ([0, 2, 0, 0], [0, 0, 5, 0], [-1, 0, 0, 0], [0, 0, 0, -1]):
        with pytest.raises(IndexError, match="expected sample, category, y and x within"):
            COMPILED.stamp_bumps(planes, np.array([place]), np.ones(1, np.int64), False)
    assert not planes.any()


def test_a_bump_is_the_one_of_its_radius_to_the_last_bit() -> None:
    for radius in (0, 1, 7, 33):
        planes = np.zeros((1, 1, 80, 80), np.float32)
        COMPILED.stamp_bumps(planes, np.array([[0, 0, 40, 40]]), np.array([radius]), False)
        span = slice(40 - radius, 41 + radius)
        assert planes[0, 0, span, span].tobytes() == bump(radius).tobytes()


@pytest.mark.parametrize("flip", [False, True])
@given(st.data())
def test_a_canvas_is_filled_and_summed_alike(flip: bool, data: st.DataObject) -> None:
    numbers = random_numbers(data.draw(st.integers(0, 1 << 32)))
    height, width, to_height, to_width, rows, columns = (data.draw(st.integers(1, 60)) for _ in range(6))
    image = numbers.integers(0, 256, (height, width, 3), np.uint8)
    shape = min(rows, to_height), min(columns, to_width)
    start = data.draw(st.integers(0, to_height - shape[0])), data.draw(st.integers(0, to_width - shape[1]))
    offset = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    unwritable = image[:]
    unwritable.flags.writeable = False
    canvases = []
    for kernels, source in ((PLAIN, image), (COMPILED, image), (COMPILED, unwritable)):
        out = np.full((shape[0] + offset[0] + 2, shape[1] + offset[1] + 1, 3), 99, np.uint8)
        sums = kernels.fill_canvas(source, (to_height, to_width), start, shape, offset, flip, out)
        assert sums == tuple(out.sum(axis=(0, 1)).tolist())
        canvases.append(out.tobytes())
    assert len(set(canvases)) == 1


def test_the_bytes_of_rendering_do_not_depend_on_how_a_batch_is_divided() -> None:
    config = dataclasses.replace(CONFIGS["saccade"], max_objects=4)
    batch = random_batch(config, [6, 0, 3, 9], 77)
    whole, halves = soiled(config, 4), soiled(config, 4)
    unpack_batch(batch.samples(), "compact", config, whole, COMPILED)
    for part in (slice(0, 2), slice(2, 4)):
        out = {name: array[part] for name, array in halves.items()}
        unpack_batch(batch.samples()[part], "compact", config, out, COMPILED)
    assert_same_arrays(halves, whole)
