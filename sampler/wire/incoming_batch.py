"""A batch that is being received: its header, the samples so far, and the stacked arrays that they fill."""

from collections import deque
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, Layout
from sampler.checks import require_integer
from sampler.errors import ProtocolError, SamplerError
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.buffer_pool import BufferPool
from sampler.printable import shown
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_format import ArrayFormat, check_array
from sampler.wire.messages import PROTOCOL, Header, WireBatch, WireSample

FIRST_ALLOCATION = 256 << 20
"""Bytes of new memory that a header can make us allocate. More is allocated only as samples fill it."""

MAX_UNTAGGED = 1 << 31

MAX_BATCH = 65536
"""The largest batch that a server can be configured for."""


class IncomingBatch:
    """A batch that is being received. Arrays of fixed shape are stacked as they arrive, in memory from `row`."""

    def __init__(self, header: Header, formats: tuple[ArrayFormat, ...], memory: BufferPool, most_rows: int) -> None:
        """most_rows: of a sample's array of varying length."""
        self._header = header
        self._most_rows = most_rows
        self._formats = formats
        self._fixed = [array.spec for array in formats if array.letter is None]
        self._memory = memory
        self._capacity = 0
        self._stacked: Arrays = {}
        self._stacked_bytes: dict[str, memoryview] = {}
        self.count = 0
        """Complete samples."""
        self._fields: deque[Mapping[str, Any]] = deque()  # of each sample, apart from its arrays; not checked yet
        self._samples: list[WireSample] = []
        self._varying: dict[str, list[bytes | bytearray]] = {
            array.name: [] for array in formats if array.letter is not None
        }

    def expects(self, position: object) -> bool:
        """Whether the next sample may have this position."""
        return type(position) is int and position == self.count < self._header.count

    def row(self, array: ArrayFormat) -> memoryview:
        """Return the memory for the next sample's array, which must be of fixed shape."""
        count = self.count
        if count == self._capacity:
            self._grow()
        return self._stacked_bytes[array.name][count * array.row_bytes : (count + 1) * array.row_bytes]

    def _grow(self) -> None:
        """Allocate more rows: all at once if memory can be reused or they are small, step by step otherwise."""
        size, row_size = buffer_size(self._fixed, self._header.count), buffer_size(self._fixed, 1)
        memory = self._memory.borrow(size, max(FIRST_ALLOCATION, row_size, 2 * self._capacity * row_size))
        self._capacity = self._header.count if len(memory) >= size else len(memory) // row_size
        previous, self._stacked = self._stacked, buffer_arrays(memory, self._fixed, self._capacity)
        for name, array in previous.items():
            self._stacked[name][: len(array)] = array
        self._stacked_bytes = {name: array.reshape(-1).view(np.uint8).data for name, array in self._stacked.items()}

    def add_message(self, message: dict[str, Any]) -> None:
        """Add a sample that msgpack decoded."""
        position = _count(message, "position")
        if not self.expects(position):
            expected = f"expected sample {self.count}"
            raise ProtocolError(f"sample {position} of {self._header.count}: {expected}")
        arrays, names = _typed(message, "arrays", dict), [array.name for array in self._formats]
        if list(arrays) != names:
            raise ProtocolError(f"sample {position} with arrays {list(arrays)}: expected {names}")
        lengths: dict[str, int] = {}
        data = {array.name: check_array(arrays[array.name], array.spec, lengths) for array in self._formats}
        for array in self._formats:
            if array.letter is None:
                self.row(array)[:] = data[array.name]
        self.add(message, data)

    def add(self, fields: Mapping[str, Any], data: Mapping[str, bytes | bytearray]) -> None:
        """Add a sample whose arrays of fixed shape are in their rows. data: of the other arrays, by name."""
        self.count += 1
        self._fields.append(fields)
        for name, pieces in self._varying.items():
            pieces.append(data[name])

    def distribute(self) -> Arrays:
        """Make the samples, with their arrays. Return the arrays of all samples, stacked or concatenated.

        Doing this for all samples at once takes half the time that it takes between receiving one and the next, when
        the pixels of each have pushed code and objects out of the CPU's caches.
        """
        together: Arrays = {}
        rows: dict[str, list[NDArray[Any]]] = {}
        for array in self._formats:
            find = self._read_only_rows if array.letter is None else self._varying_rows
            rows[array.name], together[array.name] = find(array)
        self._samples = [  # fields are freed one by one: so few objects are added that no garbage collection starts
            _sample(place, self._fields.popleft(), {name: row[place] for name, row in rows.items()})
            for place in range(self.count)
        ]
        return together

    def _read_only_rows(self, array: ArrayFormat) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Return each sample's array, and the array that they are rows of."""
        if not self.count:
            return [], np.frombuffer(b"", array.spec.dtype)
        view = self._stacked[array.name][: self.count]
        view.flags.writeable = False
        return list(view), view

    def _varying_rows(self, array: ArrayFormat) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Return each sample's array, and the array that they are parts of."""
        pieces = self._varying[array.name]
        joined = np.frombuffer(b"".join(pieces), array.spec.dtype).reshape(-1, *array.spec.shape[1:])
        lengths = [len(piece) // array.row_bytes for piece in pieces]
        if lengths and max(lengths) > self._most_rows:
            raise ProtocolError(f"{array.name}: {max(lengths)} rows in a sample: expected at most {self._most_rows}")
        return [joined[start:stop] for start, stop in pairwise(accumulate(lengths, initial=0))], joined

    def require_trailer(self, trailer: dict[str, Any], digest: str) -> None:
        """Raise ProtocolError unless the trailer fits the bytes. digest: of the batch's bytes before it."""
        if trailer["digest"] != digest:
            raise ProtocolError(f"payload digest {shown(trailer['digest'])}: expected {digest!r}")
        if trailer["status"] != "ok" or _count(trailer, "count") not in (self.count, self._header.count):
            raise ProtocolError(f"trailer {shown(trailer)}: expected status ok and count {self._header.count}")

    def finish(self) -> WireBatch:
        """Return the batch. Raises ProtocolError if it has another number of samples than its header says."""
        if self.count != self._header.count:
            raise ProtocolError(f"a trailer after {self.count} samples: expected {self._header.count}")
        return WireBatch(self._header, tuple(self._samples), self._stacked)


def _sample(place: int, fields: Mapping[str, Any], arrays: Arrays) -> WireSample:
    """Return the sample at a place of the batch. Raises ProtocolError if its fields are invalid."""
    key = fields["key"]
    if not isinstance(key, dict):
        raise ProtocolError(f"sample {place}: key = {shown(key)}: expected dict")
    try:
        parsed = SampleKey(**key), Recipe.parse(fields["recipe"])
    except (SamplerError, TypeError) as error:
        raise ProtocolError(f"sample {place}: {error}") from error
    untagged = require_integer("untagged", fields["untagged"], 0, MAX_UNTAGGED, ProtocolError)
    return WireSample(place, *parsed, untagged, arrays)


def parse_header(message: dict[str, Any], layout: Layout, count: int | None) -> Header:
    if message["protocol"] != PROTOCOL:
        raise ProtocolError(f"protocol {shown(message['protocol'])}: expected {PROTOCOL}")
    if _count(message, "count") > MAX_BATCH:
        raise ProtocolError(f"a batch of {message['count']} samples: expected at most {MAX_BATCH}")
    if count is not None and message["count"] != count:
        raise ProtocolError(f"a batch of {message['count']} samples: expected {count}, as requested")
    if message["layout"] != layout:
        raise ProtocolError(f"layout {shown(message['layout'])}: expected {layout!r}, as requested")
    return Header(
        digest=_typed(message, "digest", str),
        layout=layout,
        augment=_typed(message, "augment", bool),
        count=_count(message, "count"),
        step=None if message["step"] is None else _count(message, "step"),
    )


def _typed(message: Mapping[str, Any], field: str, kind: type) -> Any:
    value = message[field]
    if not isinstance(value, kind):
        raise ProtocolError(f"{field} = {shown(value)}: expected {kind.__name__}")
    return value


def _count(message: Mapping[str, Any], field: str) -> int:
    return require_integer(field, message[field], 0, error=ProtocolError)
