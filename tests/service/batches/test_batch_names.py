"""Batches are told apart by all of their keys, whatever a table of them looks at first."""

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.batches.selection import Batch, BatchParameters, StreamParameters, select_batch, select_stream

SPEC = ServiceSpec("d" * 32, "e" * 32, 100, ("ant", "bee"), preset("cornernet_saccade"), 64, 1024)


def test_batches_that_differ_in_the_middle_only_are_different_batches() -> None:
    header = Header("d" * 32, "compact", True, 3, None)
    first, other = (Batch(header, tuple(SampleKey(1, 0, index) for index in row)) for row in ((1, 2, 3), (1, 5, 3)))
    assert first != other
    assert {first: "first", other: "other"}[other] == "other"
    assert first.etag != other.etag


def test_a_step_of_a_stream_and_the_same_step_alone_are_the_same_batch() -> None:
    streamed = list(select_stream(StreamParameters(seed=4, start=7, stop=9, batch_size=12, rank=1, world_size=3), SPEC))
    asked = BatchParameters(seed=4, step=8, batch_size=12, rank=1, world_size=3)
    for alone in (select_batch(asked, SPEC), select_batch(asked, SPEC)):
        assert alone == streamed[1]
        assert hash(alone) == hash(streamed[1])
        assert alone.etag == streamed[1].etag
