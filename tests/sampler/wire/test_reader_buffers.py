"""Receiving an array and the bytes after it in one call gives the same batches, however many bytes arrive at once."""

from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.arrays import LAYOUTS, Layout
from sampler.errors import ProtocolError
from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader
from tests.sampler.wire.test_reader_in_place import PAYLOADS
from tests.support.wire_batches import encode_batch, reader_of


def received(reader: BatchReader, payload: bytes, counts: Iterator[int]) -> Iterator[WireBatch]:
    """Fill the reader's buffers, with at most so many bytes at a time."""
    rest = memoryview(payload)
    while rest:
        taken, most = 0, next(counts)
        for buffer in reader.buffers():
            count = min(len(buffer), len(rest), most - taken)
            buffer[:count], rest = rest[:count], rest[count:]
            taken += count
        yield from reader.advance(taken)
    assert not reader.incomplete


@settings(max_examples=60, deadline=None)
@given(layout=st.sampled_from(LAYOUTS), pattern=st.lists(st.integers(1, 300_000), min_size=1, max_size=12))
def test_the_number_of_bytes_that_arrive_at_once_makes_no_difference(layout: Layout, pattern: list[int]) -> None:
    # At least some thousand bytes on average: a case should not take seconds.
    pattern = [*pattern, 100_000]

    def counts() -> Iterator[int]:
        while True:
            yield from pattern

    with mock.patch("sampler.wire.batch_builder.BatchBuilder.add_message", side_effect=AssertionError("unpacked")):
        found = list(received(reader_of(layout), PAYLOADS[layout], counts()))
    assert b"".join(map(encode_batch, found)) == PAYLOADS[layout]


@pytest.mark.parametrize("name", ["recipe", "key", "untagged", "arrays", "position"])
def test_a_damaged_head_after_an_array_is_refused(name: str) -> None:
    payload = bytearray(PAYLOADS["compact"])
    payload[payload.rindex(name.encode()) + 1] ^= 1

    def counts() -> Iterator[int]:
        while True:
            yield 1 << 20

    with pytest.raises(ProtocolError):
        list(received(reader_of("compact"), bytes(payload), counts()))


def test_a_changed_byte_at_the_end_of_an_array_received_in_place_is_refused() -> None:
    payload = PAYLOADS["compact"]
    end = payload.index(b"\xa6colour")
    for place in (end - 1, end, end + 40):
        damaged = bytearray(payload)
        damaged[place] ^= 1
        with pytest.raises(ProtocolError):
            list(received(reader_of("compact"), bytes(damaged), iter(lambda: 1 << 20, 0)))
