"""Arrays on the wire: each is the map that the msgpack-numpy package writes.

    name  {b"nd": true, b"type": "<f4", b"kind": b"", b"shape": [3, 255, 255], b"data": <header> bytes}
    └─────────────────────────────── prefix ───────────────────────────────────────────────┘└─ data ─┘

Keys and kind are msgpack binary. The data is in C order, little-endian. The prefix follows from name, dtype and shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from sampler.array_table import array_table
from sampler.arrays import ArraySpec, Layout
from sampler.config_schema import SamplerConfig
from sampler.errors import ProtocolError
from sampler.printable import shown

KEYS = (b"nd", b"type", b"kind", b"shape", b"data")

SIDE_LIMIT = 1 << 31


def encode_array(array: NDArray[Any]) -> dict[bytes, Any]:
    """Return the map of an array of any memory order and endianness. Raises ValueError for anything but numbers."""
    if array.dtype.kind not in "iufb":
        raise ValueError(f"dtype {array.dtype}: expected plain numbers")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return _array_map(plain.dtype.str, array.shape, plain.data)


def array_prefix(name: str, dtype: str, shape: Sequence[int]) -> bytes:
    """Return the bytes of an array before its data: the name and the map up to the header of the data."""
    empty: bytes = msgpack.packb(name) + msgpack.packb(_array_map(dtype, shape, b""))
    return empty.removesuffix(binary_header(0)) + binary_header(math.prod(shape) * np.dtype(dtype).itemsize)


def _array_map(dtype: str, shape: Sequence[int], data: bytes | memoryview) -> dict[bytes, Any]:
    return dict(zip(KEYS, (True, dtype, b"", list(shape), data), strict=True))


def binary_header(size: int) -> bytes:
    """Return the header that msgpack writes before `size` bytes of binary, below 2³²."""
    if size < 1 << 8:
        return bytes((0xC4, size))
    return b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")


def map_header(count: int) -> bytes:
    """Return the header that msgpack writes before a map of `count` entries, below 2¹⁶."""
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class ArrayFormat:
    """How an array of the array table is encoded.

    A fixed shape: `start`, then `row_bytes` bytes of data. A first side that varies: `start`, that side as a msgpack
    integer, `rest`, the header of the data, then `row_bytes` bytes of data per unit of the side.

    Attributes:
        name: of the array.
        spec: its row of the array table.
        start: bytes before the data, or before the side that varies.
        row_bytes: bytes of data, or of one row of it.
        letter: of the side that varies, or None.
        rest: bytes between the side that varies and the header of the data.
    """

    name: str
    spec: ArraySpec
    start: bytes
    row_bytes: int
    letter: str | None = None
    rest: bytes = b""


@lru_cache(maxsize=64)
def array_formats(config: SamplerConfig, categories: int, layout: Layout) -> tuple[ArrayFormat, ...]:
    """Return the formats of the arrays of a layout, in order. Raises InvalidRequestError for an unknown layout."""
    return tuple(_array_format(spec) for spec in array_table(layout, config, categories))


def _array_format(spec: ArraySpec) -> ArrayFormat:
    first, sides = spec.shape[0], [side for side in spec.shape if isinstance(side, int)]
    if isinstance(first, int):
        return ArrayFormat(spec.name, spec, array_prefix(spec.name, spec.dtype, sides), spec.nbytes)
    assert len(sides) == len(spec.shape) - 1, f"{spec.name}: only the first side of a shape may vary"
    rest = msgpack.packb([0, *sides])[2:] + msgpack.packb(KEYS[-1])
    start = array_prefix(spec.name, spec.dtype, [0, *sides]).removesuffix(b"\0" + rest + binary_header(0))
    return ArrayFormat(spec.name, spec, start, math.prod(sides) * np.dtype(spec.dtype).itemsize, first, rest)


def check_array(value: object, spec: ArraySpec, lengths: dict[str, int]) -> bytes:
    """Check a decoded array map and return its data.

    Args:
        value: the map, or anything else that msgpack decodes.
        spec: the array's row of the array table.
        lengths: the sides that vary in this sample, by letter; the array's own is added.

    Raises:
        ProtocolError: dtype, shape or length are not those of `spec`, or the map holds a pickled object.
    """
    if not isinstance(value, dict) or set(value) != set(KEYS) or value[b"nd"] is not True:
        raise ProtocolError(f"{spec.name}: expected an array map with keys {sorted(map(repr, KEYS))}")
    if value[b"kind"] != b"" or value[b"type"] != spec.dtype:
        found = f"kind {shown(value[b'kind'])}, dtype {shown(value[b'type'])}"
        raise ProtocolError(f"{spec.name}: {found}: expected plain numbers of dtype {spec.dtype}; objects are refused")
    shape = _check_shape(value[b"shape"], spec, lengths)
    data = value[b"data"]
    size = math.prod(shape) * np.dtype(spec.dtype).itemsize
    if not isinstance(data, bytes) or len(data) != size:
        found = f"{len(data)} bytes" if isinstance(data, bytes) else type(data).__name__
        raise ProtocolError(f"{spec.name}: data is {found}: expected {size} bytes for shape {shape}")
    return data


def _check_shape(value: object, spec: ArraySpec, lengths: dict[str, int]) -> list[int]:
    sides = value if isinstance(value, list) else []
    if len(sides) != len(spec.shape) or not all(type(side) is int and 0 <= side < SIDE_LIMIT for side in sides):
        raise ProtocolError(f"{spec.name}: shape {shown(value)}: expected {list(spec.shape)}")
    for side, wanted in zip(sides, spec.shape, strict=True):
        expected = lengths.setdefault(wanted, side) if isinstance(wanted, str) else wanted
        if side != expected:
            raise ProtocolError(f"{spec.name}: shape {sides}: expected {list(spec.shape)} with {lengths}")
    return sides
