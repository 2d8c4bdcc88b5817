"""A sample's message is written straight into memory, byte for byte as the encoder would have made it."""

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.kernels.compiled.kernels import COMPILED
from sampler.kernels.reference import REFERENCE, NumpyKernels
from sampler.layouts.convert import lay_out
from sampler.ops.boxes import Boxes
from sampler.ops.resize import Image
from sampler.ops.targets import untagged
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireSample, encode_sample
from sampler.wire.sample_writer import largest_message, write_sample
from tests.support.laws import CATEGORIES, Pictures, random_boxes, random_numbers
from tests.support.processes import run_python

PICTURES = Pictures()
SUBSTITUTED = Pictures(unusable=tuple(range(1, 12)))
Pair = tuple[int, int]
SACCADE = PRESETS["cornernet_saccade"]
SMALL: dict[str, Any] = {"input_size": (127, 127), "output_size": (32, 32)}
CONFIGS = {
    "saccade": SACCADE,
    "few objects": dataclasses.replace(SACCADE, max_objects=1, min_scale=0),
    "wide bumps": dataclasses.replace(SACCADE, gaussian_radius=40),
    "single cells": dataclasses.replace(SACCADE, gaussian_bump=False, rand_color=False),
    "cornernet": dataclasses.replace(PRESETS["cornernet"], **SMALL),
    "squeeze": dataclasses.replace(PRESETS["cornernet_squeeze"], **SMALL),
}
KERNELS = {"plain": REFERENCE, "compiled": COMPILED}


class Crowded(Pictures):
    """Many boxes an image."""

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - there are no crowd boxes here
        height, width = self.size(index)
        return random_boxes(random_numbers(index), 60 * index, height, width, CATEGORIES)


def encoded(
    dataset: Pictures, position: int, config: SamplerConfig, key: SampleKey, augment: bool, layout: Layout
) -> bytes:
    sample = make_sample(dataset, config, key, augment=augment)
    arrays = lay_out(sample, layout, config, CATEGORIES)
    return encode_sample(WireSample(position, key, sample.recipe, untagged(sample.objects, config), arrays))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, (1 << 64) - 1), epoch=st.integers(0, 70_000), index=st.integers(0, len(PICTURES) - 1),
    position=st.integers(0, 300), augment=st.booleans(), shift=st.integers(0, 3),
    kernels=st.sampled_from(list(KERNELS)),
)  # fmt: skip
def test_any_message_is_the_encoders_and_within_its_bound(
    layout: Layout, name: str, seed: int, epoch: int, index: int, position: int, augment: bool, shift: int, kernels: str
) -> None:
    config, key = CONFIGS[name], SampleKey(seed, epoch, index)
    for dataset in (PICTURES, Crowded(), SUBSTITUTED):
        expected = encoded(dataset, position, config, key, augment, layout)
        bound = largest_message(layout, config, CATEGORIES, len(dataset.boxes(dataset.image_of(key))))
        assert len(expected) <= bound
        memory = bytearray(b"\xa5" * (bound + shift + 9))
        room = memoryview(memory)[shift : shift + bound]
        length = write_sample(
            room, position, dataset, config, CATEGORIES, key, augment=augment, layout=layout, kernels=KERNELS[kernels]
        )
        assert bytes(room[:length]) == expected
        assert memory[:shift] + memory[shift + bound :] == b"\xa5" * (shift + 9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_that_is_too_small_is_refused_with_the_size_it_takes(layout: Layout) -> None:
    key = SampleKey(1, 2, 3)
    needed = len(encoded(PICTURES, 0, SACCADE, key, True, layout))
    memory = memoryview(bytearray(needed))
    with pytest.raises(InvalidRequestError, match=f"memory = {needed - 1}: expected at least {needed} bytes"):
        write_sample(memory[:-1], 0, PICTURES, SACCADE, CATEGORIES, key, layout=layout)
    assert not any(memory)
    assert write_sample(memory, 0, PICTURES, SACCADE, CATEGORIES, key, layout=layout) == needed


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_bound_grows_with_the_boxes_and_not_past_the_planes(layout: Layout) -> None:
    bounds = [largest_message(layout, SACCADE, 2, boxes) for boxes in (0, 1, 10, 1000, 10_000)]
    assert bounds == sorted(bounds)
    if layout == "sparse":
        planes = 4 * 2 * 64 * 64 * 16
        assert bounds[-1] < planes + largest_message("sparse", SACCADE, 2, 0) + 100


def test_a_written_message_needs_no_memory_of_its_own_for_the_crop() -> None:
    key, memory = SampleKey(5, 0, 2), memoryview(bytearray(300_000))
    pasted: list[int] = []

    class Noted(NumpyKernels):
        @staticmethod
        def fill_canvas(
            image: Image,
            size: Pair,
            start: Pair,
            shape: Pair,
            offset: Pair,
            flip: bool,
            out: Image,
            source: Pair | None = None,
            origin: Pair = (0, 0),
        ) -> tuple[int, int, int]:
            pasted.append(out.__array_interface__["data"][0])
            return REFERENCE.fill_canvas(image, size, start, shape, offset, flip, out, source, origin)

    write_sample(memory, 0, PICTURES, SACCADE, CATEGORIES, key, kernels=Noted())
    first = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    assert len(pasted) == 1
    assert first < pasted[0] < first + len(memory)


WARM = """
import sys
from sampler.kernels.compiled.kernels import COMPILED, warm_up
from sampler.array_table import allocate
from sampler.arrays import LAYOUTS
from sampler.config.presets import PRESETS
from sampler.stream.keys import SampleKey
from sampler.layouts.convert import lay_out, unpack_batch
from sampler.sample.sample import make_sample
from sampler.wire.sample_writer import write_sample
from tests.support.laws import Pictures

warm_up()
pictures, memory = Pictures(), memoryview(bytearray(9_000_000))
pictures.read(3).pixels.flags.writeable = False
for config in PRESETS.values():
    for layout in LAYOUTS:
        for index in range(2, 6):
            key = SampleKey(1, 0, index)
            write_sample(memory[index:], 0, pictures, config, 5, key, layout=layout, kernels=COMPILED)
        arrays = lay_out(make_sample(pictures, config, key, kernels=COMPILED), layout, config, 5, COMPILED)
        unpack_batch([arrays], layout, config, allocate(config, 5, 1), COMPILED)
print("numba" in sys.modules)
"""


def test_after_the_warm_up_no_sample_in_any_layout_compiles_anything() -> None:
    assert run_python("-c", WARM).stdout.split() == ["False"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_messages_leave_little_in_memory(layout: Layout) -> None:
    dataset, memory = Crowded(), memoryview(bytearray(8 << 20))

    def write(epochs: range) -> None:
        for epoch in epochs:
            for index in range(len(dataset)):
                key = SampleKey(7, epoch, index)
                write_sample(memory, 0, dataset, SACCADE, CATEGORIES, key, layout=layout, kernels=COMPILED)

    write(range(2))  # fills the caches of what repeats
    tracemalloc.start()
    try:
        write(range(2, 12))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3000 * 10 * len(dataset)  # the list of a sparse message's arrays and prefixes takes 7 kB
