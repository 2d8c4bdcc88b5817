"""A rendered batch equals its samples rendered one by one, with any kernels and in used memory."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.array_table import allocate
from sampler.arrays import LAYOUTS, Arrays, Layout
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.layouts.convert import compact_to_dense, lay_out, unpack_batch
from sampler.layouts.render import render_batch
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from tests.support.batches import CATEGORIES, CONFIGS, CompactBatch, random_batch, soiled
from tests.support.laws import Pictures, assert_same_arrays, random_numbers

KERNELS = {"plain": REFERENCE, "compiled": COMPILED}


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
def test_a_batch_in_used_memory_equals_its_samples(kernels: Kernels, name: str, counts: list[int], seed: int) -> None:
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


@pytest.mark.parametrize("flip", [False, True])
@given(st.data())
def test_kernels_fill_and_sum_a_canvas_identically(flip: bool, data: st.DataObject) -> None:
    numbers = random_numbers(data.draw(st.integers(0, 1 << 32)))
    height, width, to_height, to_width, rows, columns = (data.draw(st.integers(1, 60)) for _ in range(6))
    image = numbers.integers(0, 256, (height, width, 3), np.uint8)
    shape = min(rows, to_height), min(columns, to_width)
    start = data.draw(st.integers(0, to_height - shape[0])), data.draw(st.integers(0, to_width - shape[1]))
    offset = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    unwritable = image[:]
    unwritable.flags.writeable = False
    canvases = []
    for kernels, source in ((REFERENCE, image), (COMPILED, image), (COMPILED, unwritable)):
        out = np.full((shape[0] + offset[0] + 2, shape[1] + offset[1] + 1, 3), 99, np.uint8)
        sums = kernels.fill_canvas(source, (to_height, to_width), start, shape, offset, flip, out)
        assert sums == tuple(out.sum(axis=(0, 1)).tolist())
        canvases.append(out.tobytes())
    assert len(set(canvases)) == 1


def test_rendering_a_batch_in_parts_gives_the_same_bytes() -> None:
    config = dataclasses.replace(CONFIGS["saccade"], max_objects=4)
    batch = random_batch(config, [6, 0, 3, 9], 77)
    whole, halves = soiled(config, 4), soiled(config, 4)
    unpack_batch(batch.samples(), "compact", config, whole, COMPILED)
    for part in (slice(0, 2), slice(2, 4)):
        out = {name: array[part] for name, array in halves.items()}
        unpack_batch(batch.samples()[part], "compact", config, out, COMPILED)
    assert_same_arrays(halves, whole)
