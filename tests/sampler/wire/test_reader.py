"""Whatever arrives, the reader returns the exact batch or raises; it never hands over something half-built."""

import pickle
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import msgpack
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.array_table import largest_sample
from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import PRESETS
from sampler.errors import ProtocolError
from sampler.wire.messages import WireBatch, encode_error
from sampler.wire.reader import EXTRA_BYTES, BatchReader, RemoteError
from tests.support.laws import CATEGORIES
from tests.support.wire_batches import assert_same_batch, batch_of, encode_batch, reader_of

Message = dict[str, Any]


class IncompleteForTestError(ProtocolError):
    """Raised by `read` for a response that ends inside a batch."""


BATCH = batch_of("compact", count=2)
PAYLOAD = encode_batch(BATCH)
SPARSE = batch_of("sparse", count=2)
DENSE = batch_of("dense", count=1)


def read(chunks: Iterable[bytes], layout: Layout = "compact") -> list[WireBatch]:
    """All batches of a complete response."""
    reader = reader_of(layout)
    found = [batch for chunk in chunks for batch in reader.feed(chunk)]
    if reader.incomplete:
        raise IncompleteForTestError
    return found


def messages_of(batch: WireBatch) -> list[Message]:
    return unpacked(encode_batch(batch))


def unpacked(payload: bytes) -> list[Message]:
    unpacker = msgpack.Unpacker(max_buffer_size=1 << 28)
    unpacker.feed(payload)
    return list(unpacker)


def packed(messages: list[Message], *, sign: bool = True) -> bytes:
    """The bytes of messages; with `sign`, a trailer that ends them gets the right digest, as a liar would do it."""
    body = b"".join(msgpack.packb(message) for message in messages[:-1])
    last = dict(messages[-1])
    if sign and "digest" in last:
        last["digest"] = xxhash.xxh3_128(body).hexdigest()
    payload: bytes = body + msgpack.packb(last)
    return payload


class TestGoodResponses:
    @settings(max_examples=40)
    @given(st.lists(st.integers(0, len(PAYLOAD)), max_size=12))
    def test_a_response_may_be_cut_anywhere(self, cuts: list[int]) -> None:
        ends = [0, *sorted(cuts), len(PAYLOAD)]
        found = read(PAYLOAD[start:end] for start, end in pairwise(ends))
        assert len(found) == 1
        assert_same_batch(found[0], BATCH)

    def test_byte_by_byte_at_the_seams_is_the_same(self) -> None:
        start, end = PAYLOAD[:400], PAYLOAD[-400:]
        chunks = [*(bytes([b]) for b in start), PAYLOAD[400:-400], *(bytes([b]) for b in end)]
        assert_same_batch(read(chunks)[0], BATCH)

    def test_a_stream_is_batches_one_after_another_whatever_the_chunks(self) -> None:
        batches = [batch_of("compact", count=n, step=n) for n in (1, 0, 3)]
        payload = b"".join(map(encode_batch, batches))
        for size in (len(payload), 100_000, 65_537):
            found = read(payload[start : start + size] for start in range(0, len(payload), size))
            assert len(found) == 3
            for one, other in zip(found, batches, strict=True):
                assert_same_batch(one, other)

    def test_a_batch_is_handed_over_with_its_last_byte_and_not_before(self) -> None:
        reader = reader_of("compact")
        assert list(reader.feed(PAYLOAD[:-1])) == []
        assert [reader.incomplete, len(list(reader.feed(PAYLOAD[-1:]))), reader.incomplete] == [True, 1, False]

    def test_an_empty_response_is_no_batch(self) -> None:
        assert read([]) == read([b""]) == []

    def test_arrays_from_the_wire_cannot_be_written(self) -> None:
        for array in read([PAYLOAD])[0].samples[0].arrays.values():
            assert not array.flags.writeable

    def test_what_the_reader_holds_grows_with_the_message_not_with_the_stream(self) -> None:
        reader = reader_of("compact")
        peaks = []
        for batches in (3, 30):
            payload = PAYLOAD * batches
            tracemalloc.start()
            assert sum(1 for _ in reader.feed(payload)) == batches
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < peaks[0] + (4 << 20)


class TestDamage:
    """Bytes changed on the way."""

    @staticmethod
    def assert_exact_or_refused(payload: bytes) -> None:
        try:
            found = read([payload])
        except (ProtocolError, RemoteError):
            return
        for batch in found:
            assert_same_batch(batch, BATCH)

    @settings(max_examples=250)
    @given(st.integers(0, len(PAYLOAD) - 1), st.integers(0, 255))
    def test_a_changed_byte_is_refused(self, place: int, value: int) -> None:
        self.assert_exact_or_refused(PAYLOAD[:place] + bytes([value]) + PAYLOAD[place + 1 :])

    @settings(max_examples=250)
    @given(st.sampled_from([0, 1]), st.integers(0, 900), st.integers(0, 255))
    def test_a_changed_byte_near_either_end_is_refused(self, end: int, offset: int, value: int) -> None:
        place = len(PAYLOAD) - 1 - offset if end else offset
        self.assert_exact_or_refused(PAYLOAD[:place] + bytes([value]) + PAYLOAD[place + 1 :])

    @given(st.integers(0, len(PAYLOAD) - 1))
    def test_a_response_cut_short_is_refused(self, end: int) -> None:
        if end:
            with pytest.raises(IncompleteForTestError):
                read([PAYLOAD[:end]])

    @given(st.integers(0, len(PAYLOAD)), st.binary(min_size=1, max_size=40))
    def test_bytes_put_in_between_are_refused(self, place: int, extra: bytes) -> None:
        self.assert_exact_or_refused(PAYLOAD[:place] + extra + PAYLOAD[place:])

    @given(st.integers(0, len(PAYLOAD)), st.integers(1, 5000))
    def test_bytes_left_out_are_refused(self, place: int, count: int) -> None:
        self.assert_exact_or_refused(PAYLOAD[:place] + PAYLOAD[place + count :])

    @given(st.permutations(range(4)))
    def test_messages_in_another_order_are_refused(self, order: list[int]) -> None:
        messages = messages_of(BATCH)
        payload = packed([messages[place] for place in order])
        if order == sorted(order):
            assert_same_batch(read([payload])[0], BATCH)
        else:
            with pytest.raises(ProtocolError):
                read([payload])

    @settings(max_examples=200)
    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, noise: bytes) -> None:
        if noise:
            with pytest.raises((ProtocolError, RemoteError)):
                read([noise])

    def test_a_batch_within_a_batch_is_refused(self) -> None:
        messages = messages_of(BATCH)
        with pytest.raises(ProtocolError, match="a header inside a batch"):
            read([packed(messages[:2] + messages)])

    def test_after_the_last_whole_batch_a_cut_stream_is_refused(self) -> None:
        reader = reader_of("compact")
        assert len(list(reader.feed(PAYLOAD + PAYLOAD[:100]))) == 1
        assert reader.incomplete


def array_of(name: str, **change: Any) -> Callable[[list[Message]], None]:
    """Change parts of the wire map of an array."""

    def lie(messages: list[Message]) -> None:
        messages[1]["arrays"][name] |= {key.encode(): value for key, value in change.items()}

    return lie


def values_of(name: str, values: np.ndarray[Any, Any]) -> Callable[[list[Message]], None]:
    return array_of(name, data=values.tobytes(), shape=list(values.shape), type=values.dtype.str)


def field_of(number: int, **change: Any) -> Callable[[list[Message]], None]:
    """Change fields of the header (0), a sample (1, 2) or the trailer (3)."""

    def lie(messages: list[Message]) -> None:
        messages[number] |= change

    return lie


def without(number: int, field: str) -> Callable[[list[Message]], None]:
    def lie(messages: list[Message]) -> None:
        del messages[number][field]

    return lie


CROP = BATCH.samples[0].arrays["crop"]
BOXES = np.array([[1, 1, 20, 20, 1]], "<f4")
PICKLE = pickle.dumps(np.array([{}], object))


def boxes_with(column: int, value: float) -> np.ndarray[Any, Any]:
    boxes = BOXES.copy()
    boxes[0, column] = value
    return boxes


LIES: list[tuple[str, Callable[[list[Any]], object], str]] = [
    ("pickled object", array_of("crop", kind=b"O", data=PICKLE, type="|O"), "objects are refused"),
    ("pickle under a plain dtype", array_of("crop", kind=b"O"), "objects are refused"),
    ("structured kind", array_of("crop", kind=b"V"), "objects are refused"),
    ("object dtype", array_of("crop", type="|O"), "objects are refused"),
    ("wrong dtype of the same size", array_of("crop", type="|i1"), r"dtype '\|i1': expected plain numbers of dtype"),
    ("big-endian", array_of("colour", type=">f4"), "dtype '>f4'"),
    ("dtype of another type", array_of("colour", type=[["a", "<f4"]]), "colour: kind"),
    ("dtype as bytes", array_of("colour", type=b"<f4"), "colour: kind"),
    ("shape turned around", array_of("colour", shape=[4, 3]), r"colour: shape \[4, 3\]"),
    ("flat shape", array_of("colour", shape=[12]), r"colour: shape \[12\]: expected \[3, 4\]"),
    ("negative shape", array_of("boxes", shape=[-1, 5]), r"boxes: shape \[-1, 5\]"),
    ("shape of floats", array_of("colour", shape=[3.0, 4.0]), r"colour: shape \[3\.0, 4\.0\]"),
    ("shape of booleans", array_of("objects", shape=[True]), r"objects: shape \[True\]"),
    ("shape that is no list", array_of("colour", shape=12), "colour: shape 12"),
    ("huge shape", array_of("boxes", shape=[1 << 40, 5]), "boxes: shape"),
    ("shape whose bytes overflow", array_of("boxes", shape=[(1 << 31) - 1, 5]), "boxes: data is"),
    ("too little data", array_of("colour", data=b"\0" * 47), r"colour: data is 47 bytes: expected 48 bytes"),
    ("too much data", array_of("colour", data=b"\0" * 49), "colour: data is 49 bytes"),
    ("no data", array_of("colour", data=b""), "colour: data is 0 bytes"),
    ("data as text", array_of("colour", data="a" * 48), "colour: data is str"),
    ("data as numbers", array_of("colour", data=[0] * 48), "colour: data is list"),
    ("lengths that do not agree", array_of("objects", data=b"\1" * 99, shape=[99]), "objects: shape"),
    ("not an nd map", array_of("crop", nd=False), "crop: expected an array map"),
    ("nd of one", array_of("crop", nd=1), "crop: expected an array map"),
    ("unknown key in an array", array_of("crop", more=1), "crop: expected an array map"),
    ("array that is a list", lambda m: m[1]["arrays"].update(crop=[1, 2]), "crop: expected an array map"),
    ("array missing", lambda m: m[1]["arrays"].pop("boxes"), "sample 0 with arrays"),
    ("array too many", lambda m: m[1]["arrays"].update(more=m[1]["arrays"]["crop"]), "sample 0 with arrays"),
    ("arrays in another order", lambda m: m[1].update(arrays=dict(reversed(m[1]["arrays"].items()))), "with arrays"),
    ("arrays that are a list", field_of(1, arrays=[]), r"arrays = \[\]: expected dict"),
    ("samples swapped", lambda m: m.insert(1, m.pop(2)), "sample 1 of 2: expected sample 0"),
    ("sample twice", lambda m: m.insert(2, dict(m[1])), "sample 0 of 2: expected sample 1"),
    ("sample missing", lambda m: m.pop(2), "a trailer after 1 samples: expected 2"),
    ("one sample more", lambda m: m.insert(3, {**m[2], "position": 2}), "sample 2 of 2"),
    ("position negative", field_of(1, position=-1), "position = -1: expected an integer of at least 0"),
    ("position of True", field_of(1, position=False), "position = False"),
    ("key with an unknown word", field_of(1, key={"seed": 1, "epoch": 1, "index": 1, "rank": 1}), "sample 0"),
    ("key without a word", field_of(1, key={"seed": 1, "epoch": 1}), "sample 0"),
    ("key out of range", field_of(1, key={"seed": -1, "epoch": 1, "index": 1}), "seed = -1"),
    ("key of text", field_of(1, key={"seed": "1", "epoch": 1, "index": 1}), "seed = '1'"),
    ("key that is a list", field_of(1, key=[1, 2, 3]), "key = "),
    ("recipe of nothing", field_of(1, recipe=None), "recipe: expected an object"),
    ("recipe with bytes", lambda m: m[1]["recipe"].update(scale=b"1"), "scale = b'1'"),
    ("recipe scale of NaN", lambda m: m[1]["recipe"].update(scale=float("nan")), "scale = nan"),
    ("untagged negative", field_of(1, untagged=-1), "untagged = -1"),
    ("unknown field in a sample", field_of(1, more=1), "sample with fields"),
    ("unknown field in the header", field_of(0, more=1), "header with fields"),
    ("unknown field in the trailer", field_of(3, more=1), "trailer with fields"),
    ("field missing in the header", without(0, "step"), "header with fields"),
    ("field missing in the trailer", without(3, "digest"), "trailer with fields"),
    ("another protocol", field_of(0, protocol=2), "protocol 2: expected 1"),
    ("another layout", field_of(0, layout="dense"), "layout 'dense': expected 'compact', as requested"),
    ("digest of another type", field_of(0, digest=7), "digest = 7: expected str"),
    ("augment of another type", field_of(0, augment=1), "augment = 1: expected bool"),
    ("count negative", field_of(0, count=-2), "count = -2"),
    ("count too small", field_of(0, count=1), "sample 1 of 1"),
    ("count too large", field_of(0, count=3), "a trailer after 2 samples: expected 3"),
    ("step of text", field_of(0, step="12"), "step = '12'"),
    ("trailer count wrong", field_of(3, count=3), "expected status ok and count 2"),
    ("trailer status wrong", field_of(3, status="half"), "expected status ok"),
    ("unknown message", lambda m: m.insert(1, {"type": "note"}), "message of type 'note': expected one of"),
    ("type of another type", lambda m: m.insert(1, {"type": ["header"]}), r"message of type \['header'\]"),
    ("type missing", lambda m: m.insert(1, {"kind": 1}), "message of type None"),
    ("message that is a number", lambda m: m.insert(1, 5), "message of type None"),
    ("message that is a list", lambda m: m.insert(0, ["header"]), "message of type None"),
    ("extension type", lambda m: m[1].update(untagged=msgpack.ExtType(5, b"abc")), "not a msgpack response|untagged"),
    ("timestamp", lambda m: m[1].update(untagged=msgpack.Timestamp(5)), "not a msgpack response|untagged"),
    ("extension as a message", lambda m: m.insert(0, msgpack.ExtType(5, b"abc")), "not a msgpack|message of type"),
    ("fixed extension as a message", lambda m: m.insert(0, msgpack.ExtType(5, b"a")), "not a msgpack|message of type"),
]  # fmt: skip


class TestLies:
    """Well-formed responses with a right digest, from a server that is wrong or wicked."""

    @pytest.mark.parametrize(("lie", "cause"), [row[1:] for row in LIES], ids=[row[0] for row in LIES])
    def test_each_is_refused_by_name(self, lie: Callable[[list[Any]], object], cause: str) -> None:
        messages = messages_of(BATCH)
        lie(messages)
        with pytest.raises(ProtocolError, match=cause):
            read([packed(messages)])

    @pytest.mark.parametrize("digest", ["", "0" * 32, None, 5, b"0" * 32])
    def test_a_wrong_payload_digest_is_refused(self, digest: object) -> None:
        messages = messages_of(BATCH)
        messages[-1]["digest"] = digest
        with pytest.raises(ProtocolError, match="payload digest"):
            read([packed(messages, sign=False)])

    @pytest.mark.parametrize(("column", "value", "cause"), [
        (0, -0.5, "expected 0 ≤ x0"), (2, 254.5, "expected 0 ≤ x0"), (1, np.nan, "expected 0 ≤ x0"),
        (0, 21, "expected 0 ≤ x0"), (3, np.inf, "expected 0 ≤ x0"), (4, 0, "integer categories from 1 to 5"),
        (4, 6, "integer categories"), (4, 1.5, "integer categories"), (4, np.nan, "integer categories"),
    ])  # fmt: skip
    def test_boxes_that_rendering_could_not_place_are_refused(self, column: int, value: float, cause: str) -> None:
        messages = messages_of(BATCH)
        values_of("boxes", boxes_with(column, value))(messages)
        values_of("objects", np.ones(1, np.uint8))(messages)
        with pytest.raises(ProtocolError, match=cause):
            read([packed(messages)])

    def test_an_object_flag_is_0_or_1(self) -> None:
        messages = messages_of(BATCH)
        values_of("boxes", BOXES)(messages)
        values_of("objects", np.full(1, 2, np.uint8))(messages)
        with pytest.raises(ProtocolError, match="objects: expected 1, or 0"):
            read([packed(messages)])

    def test_cornernet_has_no_ignored_boxes(self) -> None:
        batch = batch_of("compact", "cornernet", count=1)
        messages = messages_of(batch)
        values_of("boxes", BOXES)(messages)
        values_of("objects", np.zeros(1, np.uint8))(messages)
        reader = reader_of("compact", "cornernet")
        with pytest.raises(ProtocolError, match="objects: expected 1"):
            list(reader.feed(packed(messages)))

    @pytest.mark.parametrize("place", [(-1, 0, 0), (CATEGORIES, 0, 0), (0, 64, 0), (0, 0, 64), (0, 0, 1 << 30)])
    @pytest.mark.parametrize("name", ["tl_heats", "br_heats", "tl_valids", "br_valids"])
    def test_coordinates_outside_their_plane_are_refused(self, place: tuple[int, ...], name: str) -> None:
        messages = messages_of(SPARSE)
        values_of(f"{name}_idx", np.array([place], "<i4"))(messages)
        values_of(f"{name}_val", np.ones(1, "<f4"))(messages)
        with pytest.raises(ProtocolError, match=f"{name}_idx: a coordinate outside"):
            read([packed(messages)], "sparse")

    def test_lengths_of_coordinates_and_values_must_agree(self) -> None:
        messages = messages_of(SPARSE)
        values_of("tl_heats_val", np.ones(7, "<f4"))(messages)
        with pytest.raises(ProtocolError, match="tl_heats_val: shape"):
            read([packed(messages)], "sparse")

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_array_of_every_layout_is_held_to_its_table(self, layout: Layout) -> None:
        batch = {"compact": BATCH, "sparse": SPARSE, "dense": DENSE}[layout]
        for name in batch.samples[0].arrays:
            for change in ({"type": "<f8"}, {"shape": [1, 2, 3, 4, 5]}, {"kind": b"O"}, {"data": b"short"}):
                messages = messages_of(batch)
                array_of(name, **change)(messages)
                with pytest.raises(ProtocolError, match=name):
                    read([packed(messages)], layout)


class TestLimits:
    """What a server sends costs no more memory than it may."""

    def test_a_message_past_the_limit_is_refused_before_it_is_all_there(self) -> None:
        limit = largest_sample("dense", PRESETS["cornernet_saccade"], CATEGORIES) + EXTRA_BYTES
        reader = reader_of("compact")
        assert list(reader.feed(b"\xc6\xff\xff\xff\xff" + bytes(limit - (2 << 20)))) == []
        with pytest.raises(ProtocolError, match="a message of more than"):
            list(reader.feed(bytes(3 << 20)))

    @pytest.mark.parametrize(
        "start", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\x04\x01", b"\xd8\x05" + b"a" * 16]
    )
    def test_lengths_that_no_response_has_are_refused_at_once(self, start: bytes) -> None:
        with pytest.raises(ProtocolError):
            list(reader_of("compact").feed(start))

    def test_deep_nesting_is_refused_cheaply(self) -> None:
        for opening in (b"\x91", b"\xdc\xff\xff", b"\x81\xa1a"):
            tracemalloc.start()
            with pytest.raises(ProtocolError):
                read([opening * 5000])
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 32 << 20

    def test_a_key_that_is_no_text_is_refused(self) -> None:
        with pytest.raises(ProtocolError):
            read([msgpack.packb({5: "header"})])

    def test_text_that_is_not_utf8_is_refused(self) -> None:
        with pytest.raises(ProtocolError, match="not a msgpack response"):
            read([b"\x81\xa4type\xa2\xff\xfe"])


class TestRemoteErrors:
    PROBLEM = {"type": "/problems/image-missing", "title": "An image is missing", "status": 500, "detail": "image 7"}  # noqa: RUF012 - never changed

    def test_an_error_in_the_stream_is_raised_with_its_problem(self) -> None:
        messages = messages_of(BATCH)
        payload = packed(messages[:2], sign=False) + encode_error(self.PROBLEM)
        with pytest.raises(RemoteError, match="image 7") as caught:
            read([payload])
        assert caught.value.problem == self.PROBLEM

    def test_whole_batches_before_an_error_are_handed_over(self) -> None:
        reader = reader_of("compact")
        found = reader.feed(PAYLOAD + encode_error(self.PROBLEM))
        assert_same_batch(next(found), BATCH)
        with pytest.raises(RemoteError):
            next(found)

    @pytest.mark.parametrize(("problem", "text"), [
        ({"title": "only a title"}, "only a title"), ({}, "the server reports an error"), ("text", "text"),
    ])  # fmt: skip
    def test_a_problem_of_any_shape_is_an_error(self, problem: object, text: str) -> None:
        with pytest.raises(RemoteError, match=text):
            read([msgpack.packb({"type": "error", "problem": problem})])

    def test_an_error_with_other_fields_is_no_error_message(self) -> None:
        with pytest.raises(ProtocolError, match="error with fields"):
            read([msgpack.packb({"type": "error"})])


def test_a_reader_takes_the_categories_of_its_dataset() -> None:
    assert len(list(BatchReader(PRESETS["cornernet_saccade"], CATEGORIES + 1, "compact").feed(PAYLOAD))) == 1
    with pytest.raises(ProtocolError, match="integer categories from 1 to 1"):
        list(BatchReader(PRESETS["cornernet_saccade"], 1, "compact").feed(PAYLOAD))


def test_a_batch_of_more_samples_than_may_be_requested_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampler.wire.incoming_batch.MAX_BATCH", 1)
    with pytest.raises(ProtocolError, match="a batch of 2 samples: expected at most 1"):
        list(reader_of("compact").feed(PAYLOAD))


@pytest.mark.parametrize("place", ["header", "sample"])
def test_the_digest_tells_an_error_of_the_sender_from_damage(place: str) -> None:
    messages = messages_of(BATCH)
    messages[0 if place == "header" else 1]["type"] = "surprise"
    for sign in (True, False):
        reader = reader_of("compact")
        with pytest.raises(ProtocolError, match="message of type 'surprise'"):
            list(reader.feed(packed(messages, sign=sign)))
        assert reader.sealed == sign
