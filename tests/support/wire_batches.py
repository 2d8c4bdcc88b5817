"""Batches of real samples as they are sent, and their bytes."""

import dataclasses

from sampler.arrays import Layout
from sampler.config.presets import PRESETS
from sampler.layouts.convert import lay_out
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.wire.messages import (
    Header,
    PayloadDigest,
    WireBatch,
    WireSample,
    encode_header,
    encode_sample,
    encode_trailer,
)
from sampler.wire.reader import BatchReader
from tests.support.laws import CATEGORIES, Pictures, assert_same_arrays

PICTURES = Pictures(6)
SMALL = {
    "cornernet_saccade": PRESETS["cornernet_saccade"],
    "cornernet": dataclasses.replace(PRESETS["cornernet"], input_size=(63, 63), output_size=(16, 16)),
}


def batch_of(layout: Layout, name: str = "cornernet_saccade", count: int = 4, step: int | None = 12) -> WireBatch:
    """A batch of real samples, of which one has no boxes."""
    samples = []
    for position in range(count):
        key = SampleKey((1 << 64) - 1 - position, (1 << 63) - 1, (2, 0, 3, 4)[position])
        sample = make_sample(PICTURES, SMALL[name], key)
        arrays = lay_out(sample, layout, SMALL[name], CATEGORIES)
        samples.append(WireSample(position, key, sample.recipe, position, arrays))
    return WireBatch(Header("d" * 32, layout, True, count, step), tuple(samples))


def reader_of(layout: Layout, name: str = "cornernet_saccade") -> BatchReader:
    return BatchReader(SMALL[name], CATEGORIES, layout)


def assert_same_batch(found: WireBatch, expected: WireBatch) -> None:
    assert found.header == expected.header
    assert len(found.samples) == len(expected.samples)
    for one, other in zip(found.samples, expected.samples, strict=True):
        assert (one.position, one.key, one.recipe, one.untagged) == (
            other.position, other.key, other.recipe, other.untagged)  # fmt: skip
        assert_same_arrays(one.arrays, other.arrays)


def encode_batch(batch: WireBatch) -> bytes:
    """The bytes of a complete batch."""
    messages = [encode_header(batch.header), *(encode_sample(sample) for sample in batch.samples)]
    digest = PayloadDigest()
    for message in messages:
        digest.update(message)
    return b"".join([*messages, encode_trailer(len(batch.samples), digest.hexdigest())])
