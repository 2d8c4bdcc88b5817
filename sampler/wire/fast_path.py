"""Finding the arrays in a sample's message by its bytes, so that they can be received where they belong.

All that our encoder writes around an array follows from the array table, but for the length of one that varies:

    name, map of 5, b"nd" true, b"type" dtype, b"kind" b"", b"shape" [sides], b"data" header of binary | the bytes

Nothing here looks into an array. Where a message is written in any other way, `OtherEncodingError` says so, and it is
for msgpack to read: it may be right all the same.
"""

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

import msgpack
import numpy as np

from sampler.arrays import ArraySpec

HEAD_BYTES = 1024
"""Room for what stands before the arrays of a sample: key, recipe and a few numbers."""

BEFORE_POSITION = b"\x86" + b"".join(map(msgpack.packb, ("type", "sample", "position")))
BETWEEN = ("key", "recipe", "untagged", "arrays")
ARRAYS = msgpack.packb("arrays")
FIVE_FIELDS = b"\x85"
BEFORE_ARRAYS = ("type", "position", "key", "recipe", "untagged")
WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4}
"""First byte of an integer past 127: the bytes that follow."""


class OtherEncodingError(Exception):
    """The bytes are not those that our encoder would have written here."""


class Slot(NamedTuple):
    """How an array is written.

    before: bytes up to its data, or up to its length if that varies. row: bytes of data in all, or for one more of the
    length. letter: the length that varies, or None. after: what follows the length, up to the header of the data.
    """

    name: str
    before: bytes
    row: int
    letter: str | None = None
    after: bytes = b""


class Head(NamedTuple):
    """What a sample's message says before its arrays, unchecked, and where they begin."""

    position: Any
    key: Any
    recipe: Any
    untagged: Any
    end: int


def slots_of(table: Iterable[ArraySpec]) -> tuple[Slot, ...]:
    """Return how each array of a table is written. Lengths that vary must come first in a shape."""
    return tuple(map(_slot, table))


def _slot(spec: ArraySpec) -> Slot:
    start = msgpack.packb(spec.name) + b"\x85"
    start += b"".join(map(msgpack.packb, (b"nd", True, b"type", spec.dtype, b"kind", b"", b"shape")))
    data = msgpack.packb(b"data")
    varying = [side for side in spec.shape if isinstance(side, str)]
    sides = [side for side in spec.shape if isinstance(side, int)]
    row = math.prod(sides) * np.dtype(spec.dtype).itemsize
    if not varying:
        return Slot(spec.name, start + msgpack.packb(sides) + data + binary_header(row), row)
    assert varying == [spec.shape[0]], f"{spec.name}: only the first side of a shape may vary"
    shape = msgpack.packb([0, *sides])  # its length is a byte of its own after the byte that says how many sides
    return Slot(spec.name, start + shape[:1], row, varying[0], shape[2:] + data)


def binary_header(size: int) -> bytes:
    """Return what msgpack writes before `size` bytes of binary, below 2³²."""
    if size < 1 << 8:
        return bytes((0xC4, size))
    return b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")


def map_header(count: int) -> bytes:
    """Return what msgpack writes before a map of `count` entries, below 2¹⁶."""
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def read_head(data: bytearray, start: int, end: int, arrays: int) -> Head | None:
    """Return what the message that begins at `start` says before its arrays, or None: more bytes are needed.

    data: bytes up to `end` have arrived. arrays: how many there should be. Raises `OtherEncodingError`.
    """
    fields = _past(BEFORE_POSITION, data, start, end)
    if fields is None:
        return None
    arrays_begin = data.find(ARRAYS, fields, min(end, fields + HEAD_BYTES))
    if arrays_begin < 0:
        return _read_long_head(data, fields, end, arrays)
    begin = _past(map_header(arrays), data, arrays_begin + len(ARRAYS), end)
    try:  # five whole entries that end where "arrays" stands are what the message says before it
        message = msgpack.unpackb(FIVE_FIELDS + data[start + 1 : arrays_begin], raw=False, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise OtherEncodingError from error
    if tuple(message) != BEFORE_ARRAYS:
        raise OtherEncodingError
    if begin is None:
        return None
    _, position, key, recipe, untagged = message.values()
    return Head(position, key, recipe, untagged, begin)


def _read_long_head(data: bytearray, fields: int, end: int, arrays: int) -> Head | None:
    """Do the same, value by value, where the name of the arrays is not among the bytes so far."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=HEAD_BYTES, max_ext_len=0)
    try:
        unpacker.feed(data[fields : min(end, fields + HEAD_BYTES)])
        values = list(islice(unpacker, 8))
    except (ValueError, msgpack.UnpackException) as error:
        raise OtherEncodingError from error
    if len(values) < 8:
        if end - fields >= HEAD_BYTES:
            raise OtherEncodingError
        return None
    position, key_name, key, recipe_name, recipe, untagged_name, untagged, arrays_name = values
    if (key_name, recipe_name, untagged_name, arrays_name) != BETWEEN:
        raise OtherEncodingError
    begin = _past(map_header(arrays), data, fields + unpacker.tell(), end)
    return None if begin is None else Head(position, key, recipe, untagged, begin)


def locate(slot: Slot, data: bytearray, start: int, end: int) -> tuple[int, int, int] | None:
    """Return where the data of the array at `start` begins, its length in rows and in bytes; None: more is needed.

    Raises `OtherEncodingError`.
    """
    at = _past(slot.before, data, start, end)
    if at is None:
        return None
    if slot.letter is None:
        return at, 1, slot.row
    if at >= end:
        return None
    rows = data[at]
    at += 1
    if rows > 0x7F:
        width = WIDTHS.get(rows)
        if width is None:
            raise OtherEncodingError
        at += width
        if at > end:
            return None
        rows = int.from_bytes(data[at - width : at], "big")
    size = rows * slot.row
    if size >= 1 << 32:
        raise OtherEncodingError
    begin = _past(slot.after + binary_header(size), data, at, end)
    return None if begin is None else (begin, rows, size)


def _past(expected: bytes, data: bytearray, start: int, end: int) -> int | None:
    """Return the place after `expected`, or None where bytes are missing. Raises `OtherEncodingError`."""
    stop = start + len(expected)
    if stop <= end:
        if data.startswith(expected, start):
            return stop
        raise OtherEncodingError
    if not expected.startswith(data[start:end]):
        raise OtherEncodingError
    return None
