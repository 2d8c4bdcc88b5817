"""Receiving an array and what follows it in one call: the same batches, however much comes at a time."""

from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.arrays import LAYOUTS, Layout
from sampler.errors import ProtocolError
from sampler.wire.messages import WireBatch, encode_batch
from sampler.wire.reader import BatchReader
from tests.sampler.wire.test_messages import reader_of
from tests.sampler.wire.test_reader_in_place import PAYLOADS


def received(reader: BatchReader, payload: bytes, counts: Iterator[int]) -> Iterator[WireBatch]:
    """Fill all rooms that the reader has, one after the other, with at most so many bytes at a time."""
    rest = memoryview(payload)
    while rest:
        taken, most = 0, next(counts)
        for room in reader.buffers():
            count = min(len(room), len(rest), most - taken)
            room[:count], rest = rest[:count], rest[count:]
            taken += count
        yield from reader.advance(taken)
    reader.close()


@settings(max_examples=60, deadline=None)
@given(layout=st.sampled_from(LAYOUTS), pattern=st.lists(st.integers(1, 300_000), min_size=1, max_size=12))
def test_what_comes_at_a_time_makes_no_difference(layout: Layout, pattern: list[int]) -> None:
    # At least some thousand bytes on average: a case should not take seconds.
    pattern = [*pattern, 100_000]

    def counts() -> Iterator[int]:
        while True:
            yield from pattern

    with mock.patch("sampler.wire.batch_builder.BatchAssembly.add_message", side_effect=AssertionError("unpacked")):
        found = list(received(reader_of(layout), PAYLOADS[layout], counts()))
    assert b"".join(map(encode_batch, found)) == PAYLOADS[layout]


@pytest.mark.parametrize("name", ["recipe", "key", "untagged", "arrays", "position"])
def test_a_damaged_head_after_an_array_is_told(name: str) -> None:
    payload = bytearray(PAYLOADS["compact"])
    payload[payload.rindex(name.encode()) + 1] ^= 1

    def counts() -> Iterator[int]:
        while True:
            yield 1 << 20

    with pytest.raises(ProtocolError):
        list(received(reader_of("compact"), bytes(payload), counts()))


def test_a_byte_changed_where_an_array_is_left_for_the_desk_is_told() -> None:
    payload = PAYLOADS["compact"]
    end = payload.index(b"\xa6colour")
    for place in (end - 1, end, end + 40):
        damaged = bytearray(payload)
        damaged[place] ^= 1
        with pytest.raises(ProtocolError):
            list(received(reader_of("compact"), bytes(damaged), iter(lambda: 1 << 20, 0)))
