"""The wire reader, in all layouts: bytes of a response in, verified batches or an error out.

The first byte of an input chooses layout and config, the second how the rest is cut into chunks. Half of the changed
responses get a trailer that fits, as from a server that is wrong or hostile.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import numpy as np
import xxhash

from sampler.array_table import dense_table
from sampler.arrays import LAYOUTS, Layout
from sampler.errors import ProtocolError
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.layouts.convert import unpack_batch
from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader, RemoteError
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.support.laws import CATEGORIES
from tests.support.wire_batches import SMALL, assert_same_batch, batch_of, encode_batch

KINDS: tuple[tuple[Layout, str], ...] = (
    *((layout, "cornernet") for layout in LAYOUTS),
    ("compact", "cornernet_saccade"),
    ("sparse", "cornernet_saccade"),
)
CHUNKS = (1 << 20, 4096, 1000, 61)

Message = dict[str, Any]


def build(folder: Path) -> Target:
    """Return the target."""
    payloads = [encode_batch(batch_of(layout, name, count=2)) for layout, name in KINDS]
    for number, payload in enumerate(payloads):
        run(bytes([number, 0]) + payload)
    return Target(partial(_make, payloads), run, (ProtocolError, RemoteError))


def _make(payloads: list[bytes], rng: Random) -> bytes:
    kind = rng.randrange(len(KINDS))
    payload = payloads[kind]
    way = rng.randrange(10)
    if way < 3:
        payload = mutate(payload * rng.choice((1, 1, 2)), rng, payloads)
    elif way < 5:
        payload = _signed(_with_changed_bytes(_pieces(payload), rng))
    elif way < 8:
        payload = _signed([*map(msgpack.packb, _changed(_unpacked(payload), rng))])
    elif way < 9:
        payload = _signed(_rearranged(_pieces(payload) + _pieces(rng.choice(payloads)), rng))
    else:
        problem = mutate_value({"type": "about:blank", "title": "x", "status": 500, "detail": "y"}, rng, huge=False)
        payload = mutate(payload[: rng.randrange(len(payload))], rng) if rng.random() < 0.5 else payload
        message = {"type": "error", "problem": problem}
        payload += msgpack.packb(message) if _fits(message) else b""
    return bytes([kind, rng.randrange(len(CHUNKS))]) + payload


def run(data: bytes) -> None:
    """Read a response and render its batches."""
    layout, name = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    size, payload = CHUNKS[data[1] % len(CHUNKS)] if len(data) > 1 else CHUNKS[0], data[2:]
    reader = BatchReader(SMALL[name], CATEGORIES, layout)
    found = [batch for start in range(0, len(payload), size) for batch in reader.feed(payload[start : start + size])]
    digests = _true_digests(payload)
    for batch in found:
        require(next(digests) == next(digests), "a batch whose trailer has another digest")
        _check(batch, layout, name)
    if reader.incomplete:
        raise ProtocolError("the response ends inside a batch")


def _check(batch: WireBatch, layout: Layout, name: str) -> None:
    """Render a batch, and compare it with what is read of its encoding."""
    config, count = SMALL[name], len(batch.samples)
    require(count == batch.header.count, "an incomplete batch")
    samples = [sample.arrays for sample in batch.samples]
    table = dense_table(config, CATEGORIES)
    out = buffer_arrays(np.empty(buffer_size(table, count), np.uint8), table, count)
    unpack_batch(samples, layout, config, out, fastest_kernels())
    [again] = BatchReader(config, CATEGORIES, layout).feed(encode_batch(batch))
    assert_same_batch(again, batch)


def _true_digests(payload: bytes) -> Iterator[str]:
    """Yield the digest of each batch and that of its trailer."""
    unpacker, start, end = msgpack.Unpacker(max_buffer_size=1 << 28), 0, 0
    unpacker.feed(payload)
    for message in unpacker:
        if isinstance(message, dict) and message.get("type") == "trailer":
            yield xxhash.xxh3_128_hexdigest(payload[start:end])
            yield message["digest"]
            start = unpacker.tell()
        end = unpacker.tell()


def _unpacked(payload: bytes) -> list[Message]:
    unpacker = msgpack.Unpacker(max_buffer_size=1 << 28)
    unpacker.feed(payload)
    return list(unpacker)


def _pieces(payload: bytes) -> list[bytes]:
    """Return the bytes of each message of a response."""
    unpacker, start, found = msgpack.Unpacker(max_buffer_size=1 << 28), 0, []
    unpacker.feed(payload)
    for _ in unpacker:
        found.append(payload[start : unpacker.tell()])
        start = unpacker.tell()
    return found


def _with_changed_bytes(pieces: list[bytes], rng: Random) -> list[bytes]:
    place = rng.randrange(len(pieces))
    return [*pieces[:place], mutate(pieces[place], rng), *pieces[place + 1 :]]


def _changed(messages: list[Message], rng: Random) -> list[Any]:
    """Return messages with changed fields. Arrays are changed with all their attributes."""
    place = rng.randrange(len(messages))
    messages[place] = mutate_value(messages[place], rng, huge=False)
    return [message for message in messages if _fits(message)]


def _fits(message: Any) -> bool:
    """Return whether msgpack can encode a message: integers of more than 64 bits, for example, it cannot."""
    try:
        msgpack.packb(message)
    except (OverflowError, ValueError, TypeError):
        return False
    return True


def _rearranged(pieces: list[bytes], rng: Random) -> list[bytes]:
    count = rng.randint(1, len(pieces))
    return rng.sample(pieces, count) if rng.random() < 0.7 else [*pieces[:count], rng.choice(pieces)]


def _signed(pieces: list[bytes]) -> bytes:
    """Return a response of the pieces. Trailers have the digest of the bytes before them, as far as they are valid."""
    signed, start = b"", 0
    for piece in pieces:
        try:
            message = msgpack.unpackb(piece)
        except Exception:  # noqa: BLE001 - damaged bytes, which stay as they are
            message = None
        if isinstance(message, dict) and message.get("type") == "trailer" and "digest" in message:
            message["digest"] = xxhash.xxh3_128_hexdigest(signed[start:])
            signed += msgpack.packb(message)
            start = len(signed)
        else:
            signed += piece
    return signed
