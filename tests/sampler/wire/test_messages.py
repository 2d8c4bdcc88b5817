"""The bytes of a response are those that the description promises, and come back as they went."""

import io
from itertools import product
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
import xxhash
from numpy.typing import NDArray

from sampler.arrays import LAYOUTS, Layout
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_format import encode_array
from sampler.wire.messages import (
    Header,
    WireBatch,
    WireSample,
    encode_error,
    encode_header,
    encode_sample,
    encode_trailer,
)
from tests.support.laws import assert_same_arrays
from tests.support.wire_batches import SMALL, assert_same_batch, batch_of, encode_batch, reader_of


@pytest.mark.parametrize(("layout", "name"), list(product(LAYOUTS, SMALL)))
@pytest.mark.parametrize("step", [None, 0, 1 << 62])
def test_what_is_encoded_is_decoded_as_it_was(layout: Layout, name: str, step: int | None) -> None:
    batch = batch_of(layout, name, step=step)
    reader = reader_of(layout, name)
    found = list(reader.feed(encode_batch(batch)))
    assert not reader.incomplete
    assert len(found) == 1
    assert_same_batch(found[0], batch)
    again = encode_batch(found[0])
    assert again == encode_batch(batch)


def test_an_empty_batch_travels_too() -> None:
    batch = WireBatch(Header("d", "dense", False, 0, None), ())
    assert list(reader_of("dense").feed(encode_batch(batch))) == [batch]


HEADER = bytes.fromhex(
    "87a474797065a6686561646572a870726f746f636f6c01a6646967657374a26162a66c61796f7574a7636f6d70616374"
    "a76175676d656e74c3a5636f756e7401a4737465700c"
)
SAMPLE = bytes.fromhex(
    "86a474797065a673616d706c65a8706f736974696f6e00a36b657983a47365656407a565706f636803a5696e64657805"
    "a672656369706586a57363616c65cb3ff8000000000000a97265666572656e6365c0a663656e7465729201d1ff7fa466"
    "6c6970c2a66a69747465729192a8636f6e7472617374cb3ff0000000000000a86c69676874696e6793cb000000000000"
    "0000cb0000000000000000cbbfe0000000000000a8756e74616767656402a661727261797382a16185c4026e64c3c404"
    "74797065a33c6632c4046b696e64c400c4057368617065920102c40464617461c404003c00c0a16285c4026e64c3c404"
    "74797065a37c7531c4046b696e64c400c4057368617065920003c40464617461c400"
)
TRAILER = (
    bytes.fromhex("84a474797065a7747261696c6572a6737461747573a26f6ba5636f756e7401a6646967657374d920")
    + b"75b3597e2e89d60f4850a22bb223cb75"
)


def tiny() -> WireSample:
    recipe = Recipe(1.5, None, (1, -129), False, (("contrast", 1.0),), (0.0, 0.0, -0.5))
    arrays = {"a": np.array([[1, -2]], "<f2"), "b": np.zeros((0, 3), np.uint8)}
    return WireSample(0, SampleKey(7, 3, 5), recipe, 2, arrays)


def test_the_bytes_of_a_tiny_batch_are_pinned() -> None:
    """Written out once by hand from the format: a change here breaks every client there is."""
    header = Header("ab", "compact", True, 1, 12)
    assert encode_header(header) == HEADER
    assert encode_sample(tiny()) == SAMPLE
    assert encode_batch(WireBatch(header, (tiny(),))) == HEADER + SAMPLE + TRAILER
    assert encode_trailer(1, xxhash.xxh3_128(HEADER + SAMPLE).hexdigest()) == TRAILER


def test_an_error_message_is_a_problem_document() -> None:
    problem = {"type": "/problems/image", "title": "t", "status": 500, "detail": "d", "index": 3}
    assert msgpack.unpackb(encode_error(problem)) == {"type": "error", "problem": problem}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_msgpack_numpy_package_decodes_every_layout(layout: Layout) -> None:
    batch = batch_of(layout)
    unpacker = msgpack.Unpacker(io.BytesIO(encode_batch(batch)), object_hook=msgpack_numpy.decode)
    header, *samples, trailer = list(unpacker)
    assert (header["type"], header["count"], trailer["status"]) == ("header", 4, "ok")
    for found, expected in zip(samples, batch.samples, strict=True):
        assert found["key"] == expected.key.as_dict()
        assert Recipe.parse(found["recipe"]) == expected.recipe
        assert_same_arrays(found["arrays"], expected.arrays)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_bytes_of_an_array_are_those_that_msgpack_numpy_writes(layout: Layout) -> None:
    for array in batch_of(layout).samples[1].arrays.values():
        ours = msgpack.packb(encode_array(array))
        theirs = msgpack.packb(array, default=msgpack_numpy.encode)
        assert msgpack.unpackb(ours) == {k: list(v) if k == b"shape" else v for k, v in msgpack.unpackb(theirs).items()}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.arange(12, dtype="<f4").reshape(3, 4).T,
        np.arange(12, dtype="<i8")[::-2],
        np.array(3.5),
        np.zeros((2, 0, 5), np.float32),
        np.array([True, False]),
    ],
    ids=["big-endian", "transposed", "reversed", "scalar", "empty", "bool"],
)
def test_arrays_of_any_memory_order_leave_in_c_order_little_endian(array: NDArray[Any]) -> None:
    message = msgpack.unpackb(msgpack.packb(encode_array(array)), strict_map_key=False)
    assert message[b"type"][0] in "<|"
    found = np.frombuffer(message[b"data"], message[b"type"]).reshape(message[b"shape"])
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a"]), np.array([1j]), np.zeros(2, "M8[s]")])
def test_only_plain_numbers_are_sent(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected plain numbers"):
        encode_array(array)
