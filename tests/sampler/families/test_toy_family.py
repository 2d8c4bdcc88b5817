"""A family outside the project has all three layouts, and is rendered wherever batches are."""

from collections.abc import Iterator

import numpy as np
import pytest

from sampler.array_table import allocate, array_table
from sampler.arrays import LAYOUTS, Arrays, Layout
from sampler.families.registry import register_family
from sampler.kernels.compiled.kernels import COMPILED
from sampler.layouts.convert import compact, lay_out, unpack_batch
from sampler.sample.sample import Sample, make_sample
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireSample, encode_sample
from sampler.wire.sample_writer import largest_message, write_sample
from tests.support.laws import CATEGORIES, Pictures, assert_same_arrays
from tests.support.toy_family import PATH

PICTURES = Pictures()
TOY = register_family(PATH).presets[0]


def samples() -> Iterator[tuple[SampleKey, Sample]]:
    for index in range(len(PICTURES)):
        key = SampleKey(7, 1, index)
        yield key, make_sample(PICTURES, TOY, key, kernels=COMPILED)


def batch_of(layout: Layout) -> Arrays:
    out = allocate(TOY, CATEGORIES, len(PICTURES))
    for array in out.values():
        array.fill(7)
    unpack_batch([lay_out(sample, layout, TOY, CATEGORIES) for _, sample in samples()], layout, TOY, out, COMPILED)
    return out


def test_every_layout_gives_the_same_batch() -> None:
    dense = batch_of("dense")
    assert list(dense) == ["images", "counts", "centres"]
    assert dense["counts"].sum() > len(PICTURES)
    assert dense["centres"].max() == 1
    assert_same_arrays(batch_of("sparse"), dense)
    assert_same_arrays(batch_of("compact"), dense)


def test_sparse_planes_travel_as_coordinates() -> None:
    assert [spec.name for spec in array_table("sparse", TOY, CATEGORIES)] == [
        "images", "counts", "centres_idx", "centres_val",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_messages_are_written_in_place_within_their_bound(layout: Layout) -> None:
    for key, sample in samples():
        bound = largest_message(layout, TOY, CATEGORIES, len(PICTURES.boxes(key.index)))
        memory = memoryview(bytearray(bound))
        length = write_sample(memory, 3, PICTURES, TOY, CATEGORIES, key, layout=layout, kernels=COMPILED)
        arrays = lay_out(sample, layout, TOY, CATEGORIES)
        assert memory[:length] == encode_sample(WireSample(3, key, sample.recipe, 0, arrays))


def test_tensors_are_those_of_numpy() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from client.torch_rendering import render_tensors  # only where torch is

    parts = [compact(sample) for _, sample in samples()]
    boxes, objects = (np.concatenate([part[name] for part in parts]) for name in ("boxes", "objects"))
    starts = np.cumsum([0, *(len(part["boxes"]) for part in parts)])
    crops, colours = (np.stack([part[name] for part in parts]) for name in ("crop", "colour"))
    tensors = render_tensors(torch.from_numpy(crops), colours, boxes, objects, starts, TOY, CATEGORIES)
    expected = batch_of("dense")
    assert list(tensors) == list(expected)
    for name in ("counts", "centres"):
        assert np.array_equal(tensors[name].numpy(), expected[name])
    assert np.abs(tensors["images"].numpy() - expected["images"]).max() < 1e-5
