"""Receiving arrays in place gives the same batches and errors as decoding with msgpack, whatever the bytes."""

import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, pairwise
from typing import Any
from unittest import mock

import msgpack
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import PRESETS
from sampler.errors import ProtocolError, SamplerError
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.array_format import binary_header, encode_array
from sampler.wire.incoming_batch import FIRST_ALLOCATION
from sampler.wire.messages import Header, WireBatch, encode_error, encode_header
from sampler.wire.reader import BatchReader, OtherEncodingError
from tests.support.laws import CATEGORIES
from tests.support.scripted_server import sealed
from tests.support.wire_batches import assert_same_batch, batch_of, encode_batch, reader_of

BATCHES = {layout: batch_of(layout, count=3) for layout in LAYOUTS}
PAYLOADS = {layout: encode_batch(batch) for layout, batch in BATCHES.items()}
PAYLOADS["sparse"] += encode_batch(batch_of("sparse", count=1, step=13))
LAYOUT = st.sampled_from(LAYOUTS)

Outcome = tuple[list[bytes], str]


def read(payload: bytes, layout: Layout, step: int = 1 << 18) -> Outcome:
    """The batches as bytes, and the error: both ways must agree on both."""
    reader = reader_of(layout)
    found: list[bytes] = []
    try:
        for start in range(0, len(payload), step):
            found += map(encode_batch, reader.feed(payload[start : start + step]))
    except SamplerError as error:
        return found, f"{type(error).__name__}: {error}"
    return found, "incomplete" if reader.incomplete else ""


@contextmanager
def msgpack_only() -> Iterator[None]:
    with mock.patch("sampler.wire.reader.read_head", side_effect=OtherEncodingError):
        yield


def assert_same_either_way(payload: bytes, layout: Layout, step: int = 1 << 18) -> Outcome:
    outcome = read(payload, layout, step)
    with msgpack_only():
        assert read(payload, layout, step) == outcome
    return outcome


def socketlike(reader: BatchReader, payload: bytes, *most: int) -> Iterator[WireBatch]:
    """Receive a payload into the reader's own buffer, at most some bytes at a time, each of `most` in turn."""
    rest = memoryview(payload)
    for limit in cycle(most):
        if not rest:
            break
        room = reader.buffer()
        assert len(room) > 0
        count = min(len(room), len(rest), limit)
        room[:count], rest = rest[:count], rest[count:]
        yield from reader.advance(count)
    assert not reader.incomplete


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("most", [997, 5000, 1 << 30])
def test_what_is_received_in_place_is_what_was_sent(layout: Layout, most: int) -> None:
    found = list(socketlike(reader_of(layout), PAYLOADS[layout], most))
    assert_same_batch(found[0], BATCHES[layout])
    assert b"".join(map(encode_batch, found)) == PAYLOADS[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_our_encoders_arrays_do_arrive_in_place(layout: Layout) -> None:
    with mock.patch("sampler.wire.reader.IncomingBatch.add_message", side_effect=AssertionError("unpacked")):
        found = list(socketlike(reader_of(layout), PAYLOADS[layout], 1 << 30))
    for batch in found:
        for name, stack in batch.stacked.items():
            assert stack.shape[0] == len(batch.samples)
            assert stack.flags.writeable
            assert all(np.shares_memory(stack, sample.arrays[name]) for sample in batch.samples)


@settings(max_examples=60, deadline=None)
@given(layout=LAYOUT, pattern=st.lists(st.integers(1, 300_000), min_size=1, max_size=12))
def test_the_number_of_bytes_that_arrive_at_once_makes_no_difference(layout: Layout, pattern: list[int]) -> None:
    with mock.patch("sampler.wire.reader.IncomingBatch.add_message", side_effect=AssertionError("unpacked")):
        # At least some thousand bytes on average: a case should not take seconds.
        found = list(socketlike(reader_of(layout), PAYLOADS[layout], *pattern, 100_000))
    assert b"".join(map(encode_batch, found)) == PAYLOADS[layout]


@pytest.mark.parametrize("name", ["recipe", "key", "untagged", "arrays", "position"])
def test_a_damaged_head_after_an_array_is_refused(name: str) -> None:
    payload = bytearray(PAYLOADS["compact"])
    payload[payload.rindex(name.encode()) + 1] ^= 1
    with pytest.raises(ProtocolError):
        list(socketlike(reader_of("compact"), bytes(payload), 1 << 20))


def test_a_changed_byte_at_the_end_of_an_array_received_in_place_is_refused() -> None:
    payload = PAYLOADS["compact"]
    end = payload.index(b"\xa6colour")
    for place in (end - 1, end, end + 40):
        damaged = bytearray(payload)
        damaged[place] ^= 1
        with pytest.raises(ProtocolError):
            list(socketlike(reader_of("compact"), bytes(damaged), 1 << 20))


@settings(max_examples=60, deadline=None)
@given(layout=LAYOUT, cuts=st.lists(st.floats(0, 1), max_size=30))
def test_a_response_may_be_cut_anywhere(layout: Layout, cuts: list[float]) -> None:
    payload = PAYLOADS[layout]
    ends = sorted({0, len(payload), *(int(cut * len(payload)) for cut in cuts)})
    reader = reader_of(layout)
    found = [batch for start, end in pairwise(ends) for batch in reader.feed(payload[start:end])]
    assert not reader.incomplete
    assert b"".join(map(encode_batch, found)) == payload


@settings(max_examples=150, deadline=None)
@given(layout=LAYOUT, place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), near=st.booleans())
def test_a_flipped_bit_is_the_same_error_either_way(layout: Layout, place: float, bit: int, near: bool) -> None:
    payload = PAYLOADS[layout]
    damaged = bytearray(payload[: 3 << 20])
    damaged[int(place * (900 if near else len(damaged)))] ^= 1 << bit
    found, error = assert_same_either_way(bytes(damaged), layout)
    assert error or b"".join(found) != payload


@settings(max_examples=100, deadline=None)
@given(data=st.data(), bit=st.integers(0, 7), signed=st.booleans())
def test_a_flipped_bit_between_arrays_is_the_same_error_either_way(data: st.DataObject, bit: int, signed: bool) -> None:
    payload = PAYLOADS["compact"]
    start = payload.index(b"\xa6colour", data.draw(st.integers(0, len(payload) - 220_000)))
    damaged = bytearray(payload)
    damaged[start + data.draw(st.integers(0, 400))] ^= 1 << bit
    if signed:  # as a liar would do it
        end = len(damaged) - 32
        body = damaged[: damaged.rindex(b"\x84\xa4type\xa7trailer")]
        damaged[end:] = xxhash.xxh3_128(body).hexdigest().encode()
    assert_same_either_way(bytes(damaged), "compact", data.draw(st.sampled_from([1 << 18, 4099])))


@settings(max_examples=60, deadline=None)
@given(layout=LAYOUT, place=st.floats(0, 1), count=st.integers(1, 300), left_out=st.booleans())
def test_bytes_left_out_or_put_in_are_the_same_error_either_way(
    layout: Layout, place: float, count: int, left_out: bool
) -> None:
    payload = PAYLOADS[layout]
    at = int(place * len(payload))
    changed = payload[:at] + (payload[at + count :] if left_out else bytes(count) + payload[at:])
    assert_same_either_way(changed, layout)


def other_integers(sample: dict[str, Any]) -> bytes:
    """A sample's message with every integer in its longest form."""

    def write(value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int | dict | list | tuple):
            return bytes(msgpack.packb(value))
        if isinstance(value, int):
            return b"\xcf" + value.to_bytes(8, "big") if value >= 0 else b"\xd3" + value.to_bytes(8, "big", signed=True)
        if isinstance(value, dict):
            rows = b"".join(write(key) + write(item) for key, item in value.items())
            return b"\xdf" + len(value).to_bytes(4, "big") + rows
        return b"\xdd" + len(value).to_bytes(4, "big") + b"".join(map(write, value))

    return write(sample)


def reversed_fields(sample: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(dict(reversed(sample.items()))))


def reversed_array_fields(sample: dict[str, Any]) -> bytes:
    arrays = {name: dict(reversed(row.items())) for name, row in sample["arrays"].items()}
    return bytes(msgpack.packb(sample | {"arrays": arrays}))


def reversed_fields_of_the_last_array(sample: dict[str, Any]) -> bytes:
    name, row = list(sample["arrays"].items())[-1]
    return bytes(msgpack.packb(sample | {"arrays": sample["arrays"] | {name: dict(reversed(row.items()))}}))


def long_binary(sample: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(sample)
    for row in list(sample["arrays"].values())[1:]:
        if data := row[b"data"]:
            packed = packed.replace(binary_header(len(data)) + data, b"\xc6" + len(data).to_bytes(4, "big") + data)
    return packed


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "write",
    [other_integers, reversed_fields, reversed_array_fields, reversed_fields_of_the_last_array, long_binary],
)
def test_other_encoders_are_read_too_mixed_with_ours(layout: Layout, write: Any) -> None:
    batch = BATCHES[layout]
    messages = list(msgpack.Unpacker(_Bytes(encode_batch(batch)), strict_map_key=False, max_buffer_size=1 << 28))
    body = b"".join([msgpack.packb(messages[0]), write(messages[1]), msgpack.packb(messages[2]), write(messages[3])])
    trailer = messages[4] | {"digest": xxhash.xxh3_128(body).hexdigest()}
    for most in (3001, 1 << 30):
        [found] = socketlike(reader_of(layout), body + msgpack.packb(trailer), most)
        assert_same_batch(found, batch)
        assert all(len(stack) == 3 for stack in found.stacked.values())


class _Bytes:
    def __init__(self, payload: bytes) -> None:
        self._rest = payload

    def read(self, count: int) -> bytes:
        piece, self._rest = self._rest[:count], self._rest[count:]
        return piece


def test_text_that_looks_like_an_array_is_text() -> None:
    messages = list(msgpack.Unpacker(_Bytes(PAYLOADS["compact"]), strict_map_key=False, max_buffer_size=1 << 28))
    crop = messages[1]["arrays"]["crop"]
    lure = msgpack.packb("crop") + msgpack.packb(
        encode_array(np.frombuffer(crop[b"data"], np.uint8).reshape(255, 255, 3))
    )
    messages[1]["recipe"]["scale"] = lure
    payload = b"".join(sealed([msgpack.packb(message) for message in messages[:-1]]))
    assert "scale = b'" in assert_same_either_way(payload, "compact")[1]


def test_lengths_that_disagree_are_refused_by_name() -> None:
    batch = BATCHES["compact"]
    arrays = dict(batch.samples[0].arrays)
    arrays["objects"] = np.ones(len(arrays["objects"]) + 1, np.uint8)
    wrong = replace(batch, samples=(replace(batch.samples[0], arrays=arrays), *batch.samples[1:]))
    assert "objects: shape" in assert_same_either_way(encode_batch(wrong), "compact")[1]


def test_errors_of_the_server_are_told_in_the_middle_of_a_batch() -> None:
    cut = PAYLOADS["compact"].index(b"\x86\xa4type\xa6sample", 1000)
    payload = PAYLOADS["compact"][:cut] + encode_error({"detail": "image 7"})
    assert assert_same_either_way(payload, "compact") == ([], "RemoteError: image 7")


class TestMemory:
    def test_a_header_alone_costs_nothing_and_one_sample_a_bounded_room(self) -> None:
        header = encode_header(Header("d" * 32, "dense", True, 65536, 12))
        first = PAYLOADS["dense"].index(b"\x86\xa4type\xa6sample")
        reader = reader_of("dense")
        tracemalloc.start()
        assert list(reader.feed(header)) == []
        alone = tracemalloc.get_traced_memory()[1]
        assert list(reader.feed(PAYLOADS["dense"][first : first + (1 << 20)])) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert alone < 4 << 20
        assert peak < FIRST_ALLOCATION + (8 << 20)

    def test_room_that_grows_step_by_step_holds_what_came_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sampler.wire.incoming_batch.FIRST_ALLOCATION", 1)
        batch = batch_of("compact", count=4)
        [found] = socketlike(reader_of("compact"), encode_batch(batch), 1 << 30)
        assert_same_batch(found, batch)
        assert found.stacked["crop"].shape == (4, 255, 255, 3)

    def test_the_memory_of_a_batch_that_is_dropped_is_reused_for_the_next(self) -> None:
        memory = BufferPool()
        places = set()
        for _ in range(5):
            reader = BatchReader(PRESETS["cornernet_saccade"], CATEGORIES, "compact", memory=memory)
            for batch in reader.feed(PAYLOADS["compact"]):
                places.add(batch.stacked["crop"].ctypes.data)
                del batch
        assert len(places) == 1

    def test_the_memory_of_a_batch_in_use_is_not_reused(self) -> None:
        memory = BufferPool()
        reader = BatchReader(PRESETS["cornernet_saccade"], CATEGORIES, "compact", memory=memory)
        used = [batch.samples[1].arrays["crop"] for _ in range(3) for batch in reader.feed(PAYLOADS["compact"])]
        for crop in used:
            np.testing.assert_array_equal(crop, BATCHES["compact"].samples[1].arrays["crop"])

    def test_the_memory_of_an_incomplete_batch_is_reused(self) -> None:
        memory = RecordingPool()
        for _ in range(2):
            reader = BatchReader(PRESETS["cornernet_saccade"], CATEGORIES, "compact", memory=memory)
            assert list(reader.feed(PAYLOADS["compact"][:-1])) == []
            del reader
            gc.collect()
        assert len(memory.addresses) == 2
        assert len(set(memory.addresses)) == 1


class RecordingPool(BufferPool):
    """A pool that records the address of each buffer that is borrowed."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[int] = []

    def borrow(self, size: int, fresh_limit: int | None = None) -> NDArray[np.uint8]:
        buffer = super().borrow(size, fresh_limit)
        self.addresses.append(buffer.ctypes.data)
        return buffer
