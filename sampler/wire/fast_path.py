"""Finds the arrays in a sample's message by comparing bytes, so that they can be received in place.

All bytes that our encoder writes around the arrays are known in advance, except lengths that vary. No byte of an array
is looked at. A message in any other encoding may be valid too: then `OtherEncodingError` is raised and msgpack has to
decode the message.
"""

from itertools import islice
from typing import Any, NamedTuple

import msgpack

from sampler.wire.array_format import ArrayFormat, binary_header, map_header
from sampler.wire.messages import FIELDS

MAX_HEAD = 1024
"""Bytes that the fields before the arrays may take: key, recipe and a few numbers."""

FIELDS_BEFORE_ARRAYS = FIELDS["sample"][:-1]
ARRAYS = msgpack.packb("arrays")
START = map_header(len(FIELDS["sample"])) + b"".join(map(msgpack.packb, ("type", "sample", "position")))
"""The start of a sample's message, up to the value of "position"."""

INTEGER_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4}
"""First byte of an encoded integer above 127, and the number of bytes that follow."""


class OtherEncodingError(Exception):
    """The bytes are not those that our encoder writes here."""


class Head(NamedTuple):
    """The fields of a sample before its arrays, unchecked, and where its first array begins."""

    position: Any
    key: Any
    recipe: Any
    untagged: Any
    end: int


def read_head(data: bytearray, start: int, end: int, array_count: int) -> Head | None:
    """Return the head of the sample's message at `start`, or None if bytes are missing.

    data: received up to `end`. array_count: number of arrays that must follow. Raises OtherEncodingError.
    """
    values_start = _skip(START, data, start, end)
    if values_start is None:
        return None
    arrays_start = data.find(ARRAYS, values_start, min(end, values_start + MAX_HEAD))
    if arrays_start < 0:
        return _read_partial_head(data, values_start, end, array_count)
    first = _skip(map_header(array_count), data, arrays_start + len(ARRAYS), end)
    try:  # if the bytes up to "arrays" are exactly five entries, they are the fields before it
        entries = map_header(len(FIELDS_BEFORE_ARRAYS)) + data[start + 1 : arrays_start]
        message = msgpack.unpackb(entries, raw=False, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise OtherEncodingError from error
    if tuple(message) != FIELDS_BEFORE_ARRAYS:
        raise OtherEncodingError
    if first is None:
        return None
    _, position, key, recipe, untagged = message.values()
    return Head(position, key, recipe, untagged, first)


def _read_partial_head(data: bytearray, start: int, end: int, array_count: int) -> Head | None:
    """Read the head value by value, for bytes in which "arrays" was not found."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=MAX_HEAD, max_ext_len=0)
    try:
        unpacker.feed(data[start : min(end, start + MAX_HEAD)])
        values = list(islice(unpacker, 8))
    except (ValueError, msgpack.UnpackException) as error:
        raise OtherEncodingError from error
    if len(values) < 8:
        if end - start >= MAX_HEAD:
            raise OtherEncodingError
        return None
    if tuple(values[1::2]) != FIELDS["sample"][2:]:
        raise OtherEncodingError
    first = _skip(map_header(array_count), data, start + unpacker.tell(), end)
    position, key, recipe, untagged = values[::2]
    return None if first is None else Head(position, key, recipe, untagged, first)


def find_array(array: ArrayFormat, data: bytearray, start: int, end: int) -> tuple[int, int, int] | None:
    """Find the data of the array at `start`, in bytes received up to `end`.

    Returns:
        Where the data begins, its number of rows, its number of bytes; None if bytes are missing.

    Raises:
        OtherEncodingError: the bytes are not those of the array in our encoding.
    """
    at = _skip(array.start, data, start, end)
    if at is None:
        return None
    if array.letter is None:
        return at, 1, array.row_bytes
    if at >= end:
        return None
    rows = data[at]
    at += 1
    if rows > 0x7F:
        width = INTEGER_WIDTHS.get(rows)
        if width is None:
            raise OtherEncodingError
        at += width
        if at > end:
            return None
        rows = int.from_bytes(data[at - width : at], "big")
    size = rows * array.row_bytes
    if size >= 1 << 32:
        raise OtherEncodingError
    first = _skip(array.rest + binary_header(size), data, at, end)
    return None if first is None else (first, rows, size)


def _skip(expected: bytes, data: bytearray, start: int, end: int) -> int | None:
    """Return the place after `expected`; None if bytes are missing. Raises OtherEncodingError for other bytes."""
    stop = start + len(expected)
    if stop <= end:
        if data.startswith(expected, start):
            return stop
        raise OtherEncodingError
    if not expected.startswith(data[start:end]):
        raise OtherEncodingError
    return None
