"""Reads a response: bytes in, complete and verified batches out. No I/O.

The reader does not trust the wire. Each length, dtype, shape and value that rendering relies on is checked against the
array table, nothing is unpickled, and a batch is returned only after its trailer was verified.

The reader says where the next bytes belong, so that large arrays are received from the socket straight into the
stacked arrays of the batch, without a copy:

    socket ──→ scratch buffer    everything small: headers, keys, recipes, boxes, trailers, the start of an array
           └─→ row               the rest of an array, where it stays

All bytes that our encoder writes around a sample's arrays are known in advance, except lengths that vary, so the arrays
are found by comparing bytes. Any other message takes a slower path to the same result or the same error: msgpack
decodes its bytes, and the arrays are copied into their rows.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from sampler.array_table import dense_table, largest_sample
from sampler.arrays import LAYOUTS, Arrays, Layout
from sampler.checks import require_integer
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.families.registry import family_of
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.buffer_pool import BufferPool
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_format import ArrayFormat, array_formats, binary_header, check_array, map_header
from sampler.wire.messages import FIELDS, PROTOCOL, Header, PayloadDigest, WireBatch, WireSample

SCRATCH_BYTES = 64 << 10
"""Size of the scratch buffer."""

SCAN_BYTES = 4 << 10
"""Bytes received into the scratch buffer at once if an array may start soon; those of the array are copied again."""

SMALL_ARRAY = 16 << 10
"""Bytes up to which an array is received through the scratch buffer."""

EXTRA_BYTES = 16 << 20
"""Bytes of a message beyond those of `largest_sample`: recipe, names, boxes past `max_objects`."""

FIRST_ALLOCATION = 256 << 20
"""Bytes of new memory that a header can make us allocate. More is allocated only as samples fill it."""

MAX_BATCH = 65536
"""The largest batch that a server can be configured for."""

MAX_HEAD = 1024
"""Bytes that the fields of a sample before its arrays may take: key, recipe and a few numbers."""

FIELDS_BEFORE_ARRAYS = FIELDS["sample"][:-1]
ARRAYS = msgpack.packb("arrays")
START = map_header(len(FIELDS["sample"])) + b"".join(map(msgpack.packb, ("type", "sample", "position")))
"""The start of a sample's message, up to the value of "position"."""

INTEGER_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4}
"""First byte of an encoded integer above 127, and the number of bytes that follow."""


class RemoteError(SamplerError):
    """The server could not make a sample. `problem` is the problem document that it sent."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server reports an error"))
        self.problem = problem


class OtherEncodingError(Exception):
    """The bytes are not those that our encoder writes here. They may be valid all the same."""


class BatchReader:
    """Reads batches from the bytes of a response, however these are cut.

        reader = BatchReader(config, categories, layout="compact")
        while (count := receive_into(reader.buffer())):
            for batch in reader.advance(count): ...
        assert not reader.incomplete

    If the bytes are in memory already, `reader.feed(chunk)` replaces `buffer` and `advance`. Methods raise
    ProtocolError for bytes that are not a response, and RemoteError for an error that the server reports. After an
    error the reader cannot be used any more.
    """

    def __init__(
        self, config: SamplerConfig, categories: int, layout: Layout, memory: BufferPool | None = None
    ) -> None:
        """Expect batches in `layout`. memory: for the stacked arrays; by default, its own pool."""
        self._config = config
        self._categories = categories
        self._layout: Layout = layout
        self._memory = memory or BufferPool()
        self._formats = array_formats(config, categories, layout)
        self._limit = _message_limit(config, categories)
        self._scratch = bytearray(SCRATCH_BYTES)
        self._view = memoryview(self._scratch)
        self._start = self._end = 0  # of the bytes in the scratch buffer that are not read yet
        self._digested = 0  # the bytes before it are digested
        self._row: memoryview | None = None  # the missing part of an array that is received in place
        self._batch: _IncomingBatch | None = None
        self._sample: _IncomingSample | None = None
        self._message: _IncomingMessage | None = None  # one that msgpack decodes
        self._digest = PayloadDigest()

    @property
    def incomplete(self) -> bool:
        """Whether the bytes so far end inside a batch."""
        return self._batch is not None or self._message is not None or self._start < self._end

    def buffer(self) -> memoryview:
        """Return the memory for the next bytes of the response, at least one.

        Fill any number of bytes from its start, and pass their number to `advance`.
        """
        if self._row is not None:
            return self._row
        if self._start and (self._start == self._end or len(self._scratch) - self._end < SCAN_BYTES):
            self._compact_scratch()
        stop = len(self._scratch) if self._message is not None else self._end + SCAN_BYTES
        return self._view[self._end : stop]

    def advance(self, count: int) -> Iterator[WireBatch]:
        """Process `count` received bytes and yield each batch they complete. Exhaust the iterator."""
        if self._row is None:
            self._end += count
        else:
            self._digest.update(self._row[:count])
            self._row = self._row[count:] or None
            if self._row is not None:
                return
            assert self._sample is not None, "an array outside a sample"
            self._sample.next += 1
            if self._sample.next == len(self._formats):
                self._read_arrays(self._sample)
            return
        while self._start < self._end:
            if self._message is None and not self._read_in_place():
                return
            if self._message is not None:
                message = self._read_message(self._message)
                if message is None:
                    return
                batch = self._process(message)
                if batch is not None:
                    yield batch

    def feed(self, chunk: bytes | memoryview) -> Iterator[WireBatch]:
        """Process the next bytes and yield each batch they complete. Exhaust the iterator before the next call."""
        rest = memoryview(chunk)
        while rest:
            buffer = self.buffer()
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            rest = rest[count:]
            yield from self.advance(count)

    def _compact_scratch(self) -> None:
        """Move the unread bytes to the start of the scratch buffer."""
        self._digest_scratch()
        unread = self._end - self._start
        if self._sample is not None:
            self._sample.pieces.append(bytes(self._view[self._sample.start : self._start]))
            self._sample.start = 0
        self._scratch[:unread] = self._scratch[self._start : self._end]
        self._start, self._end, self._digested = 0, unread, 0

    def _digest_scratch(self) -> None:
        if self._digested < self._start:
            self._digest.update(self._view[self._digested : self._start])
            self._digested = self._start

    def _read_in_place(self) -> bool:
        """Read from the scratch buffer; return whether there may be more to read.

        If the bytes are not a sample from our encoder, continue with msgpack, from the start of the message.
        """
        try:
            if self._sample is None:
                if self._batch is None:
                    raise OtherEncodingError
                head = read_head(self._scratch, self._start, self._end, len(self._formats))
                if head is None:
                    return False
                fields, end = head
                if not self._batch.expects(fields["position"]):
                    raise OtherEncodingError
                self._sample = _IncomingSample(fields, self._start)
                self._start = end
            return self._read_arrays(self._sample)
        except OtherEncodingError:
            self._digest_scratch()
            self._message = _IncomingMessage(self._limit, self._digest)
            sample, self._sample = self._sample, None
            if sample is not None:
                self._message.read(b"".join([*sample.pieces, self._view[sample.start : self._start]]))
        return True

    def _read_arrays(self, sample: "_IncomingSample") -> bool:
        """Read the sample's next arrays from the scratch buffer; return whether it may hold more than these."""
        assert self._batch is not None, "a sample outside a batch"
        while sample.next < len(self._formats):
            array = self._formats[sample.next]
            found = find_array(array, self._scratch, self._start, self._end)
            if found is None:
                return False
            start, rows, size = found
            stop = start + size
            letter = array.letter
            if letter is not None and (size > self._limit or sample.lengths.setdefault(letter, rows) != rows):
                raise OtherEncodingError
            if stop > self._end:
                if size > SMALL_ARRAY:
                    self._receive_in_place(sample, array, start, size)
                return False
            if letter is None:
                self._batch.row(array)[:] = self._view[start:stop]
            else:
                sample.varying[array.name] = self._scratch[start:stop]
            self._start = stop
            sample.next += 1
        self._sample = None
        self._batch.add(sample.fields, sample.varying)
        return True

    def _receive_in_place(self, sample: "_IncomingSample", array: ArrayFormat, start: int, size: int) -> None:
        """Copy the received part of an array to where it stays, and have the rest received there."""
        assert self._batch is not None, "a sample outside a batch"
        if array.letter is None:
            row = self._batch.row(array)
        else:
            sample.varying[array.name] = data = bytearray(size)
            row = memoryview(data)
        received = self._end - start
        row[:received] = self._view[start : self._end]
        self._start = self._end
        self._compact_scratch()
        self._row = row[received:]
        sample.pieces.append(self._row)

    def _read_message(self, current: "_IncomingMessage") -> dict[str, Any] | None:
        """Decode the message with msgpack; None if it is incomplete."""
        message = current.read(self._view[self._start : self._end])
        self._start = self._end - current.unused
        self._digest_scratch()
        if message is not None and message["type"] == "trailer":
            self._digest = current.digest_before
        if message is not None:
            self._message = None
        return message

    def _process(self, message: dict[str, Any]) -> WireBatch | None:
        """Add a message to the batch; return the batch if the message completes it."""
        kind, batch = message["type"], self._batch
        if kind == "error":
            problem = message["problem"]
            raise RemoteError(problem if isinstance(problem, dict) else {"detail": str(problem)})
        if kind == "header":
            if batch is not None:
                raise ProtocolError("a header inside a batch: expected samples and a trailer first")
            self._batch = _IncomingBatch(_header(message, self._layout), self._formats, self._memory)
            return None
        if batch is None:
            raise ProtocolError(f"a {kind} outside a batch: expected a header first")
        if kind == "sample":
            batch.add_message(message)
            return None
        self._batch = None
        digest, self._digest = self._digest.hexdigest(), PayloadDigest()
        check_values(batch.distribute(), self._layout, self._config, self._categories)
        return batch.finish(message, digest)


@lru_cache(maxsize=64)
def _message_limit(config: SamplerConfig, categories: int) -> int:
    return max(largest_sample(layout, config, categories) for layout in LAYOUTS) + EXTRA_BYTES


class _IncomingSample:
    """A sample whose arrays are being received in place.

    fields: those before the arrays. start: where its bytes in the scratch buffer start. pieces: its bytes that are no
    longer there. next: number of the next array.
    """

    __slots__ = ("fields", "lengths", "next", "pieces", "start", "varying")

    def __init__(self, fields: dict[str, Any], start: int) -> None:
        self.fields = fields
        self.start = start
        self.next = 0
        self.lengths: dict[str, int] = {}
        self.varying: dict[str, bytes | bytearray] = {}
        self.pieces: list[bytes | memoryview] = []


def read_head(data: bytearray, start: int, end: int, array_count: int) -> tuple[dict[str, Any], int] | None:
    """Return the fields of the sample's message at `start`, unchecked, and where its first array begins.

    None if bytes are missing. data: received up to `end`. array_count: number of arrays that must follow. Raises
    OtherEncodingError.
    """
    values_start = _skip(START, data, start, end)
    if values_start is None:
        return None
    arrays_start = data.find(ARRAYS, values_start, min(end, values_start + MAX_HEAD))
    if arrays_start < 0:
        if end - values_start >= MAX_HEAD:
            raise OtherEncodingError
        return None
    first = _skip(map_header(array_count), data, arrays_start + len(ARRAYS), end)
    try:  # if the bytes up to "arrays" are exactly five entries, they are the fields before it
        entries = map_header(len(FIELDS_BEFORE_ARRAYS)) + data[start + 1 : arrays_start]
        fields = msgpack.unpackb(entries, raw=False, max_ext_len=0)
    except (ValueError, msgpack.UnpackException) as error:
        raise OtherEncodingError from error
    if tuple(fields) != FIELDS_BEFORE_ARRAYS:
        raise OtherEncodingError
    return None if first is None else (fields, first)


def find_array(array: ArrayFormat, data: bytearray, start: int, end: int) -> tuple[int, int, int] | None:
    """Find the data of the array at `start`, in bytes received up to `end`. No byte of an array is looked at.

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


class _IncomingMessage:
    """A message of any encoder, which msgpack decodes piece by piece.

    digest_before: of the batch's bytes before the message. unused: number of bytes of the last piece after the message.
    """

    def __init__(self, limit: int, digest: PayloadDigest) -> None:
        """limit: the most bytes of a message."""
        self.digest_before = digest.copy()
        self.unused = 0
        self._received = 0
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            max_buffer_size=limit,
            max_bin_len=limit,
            max_str_len=1 << 20,
            max_array_len=1 << 10,
            max_map_len=1 << 10,
            max_ext_len=0,
        )

    def read(self, piece: bytes | memoryview) -> dict[str, Any] | None:
        """Add bytes. Return the message; None if it is incomplete."""
        try:
            self._unpacker.feed(piece)
            self._received += len(piece)
            message = self._unpacker.unpack()
        except msgpack.OutOfData:
            return None
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error
        self.unused = self._received - self._unpacker.tell()
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
            raise ProtocolError(f"message of type {kind!r}: expected one of {', '.join(FIELDS)}")
        if set(message) != set(FIELDS[kind]):
            raise ProtocolError(f"{kind} with fields {sorted(map(str, message))}: expected {sorted(FIELDS[kind])}")
        return message


class _IncomingBatch:
    """A batch that is being received. Arrays of fixed shape are stacked as they arrive, in memory from `row`."""

    def __init__(self, header: Header, formats: tuple[ArrayFormat, ...], memory: BufferPool) -> None:
        self._header = header
        self._formats = formats
        self._fixed = [array.spec for array in formats if array.letter is None]
        self._memory = memory
        self._capacity = 0
        self._stacked: Arrays = {}
        self._stacked_bytes: dict[str, memoryview] = {}
        self._count = 0  # of samples
        self._fields: deque[Mapping[str, Any]] = deque()  # of each sample, apart from its arrays; not checked yet
        self._samples: list[WireSample] = []
        self._varying: dict[str, list[bytes | bytearray]] = {
            array.name: [] for array in formats if array.letter is not None
        }

    def expects(self, position: object) -> bool:
        """Whether the next sample may have this position."""
        return type(position) is int and position == self._count < self._header.count

    def row(self, array: ArrayFormat) -> memoryview:
        """Return the memory for the next sample's array, which must be of fixed shape."""
        count = self._count
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
            expected = f"expected sample {self._count}"
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
        self._count += 1
        self._fields.append(fields)
        for name, pieces in self._varying.items():
            pieces.append(data[name])

    def distribute(self) -> Arrays:
        """Make the samples, with their arrays. Return the arrays of varying length, concatenated over all samples.

        Doing this for all samples at once takes half the time that it takes between receiving one and the next, when
        the pixels of each have pushed code and objects out of the CPU's caches.
        """
        varying: Arrays = {}
        rows: dict[str, list[NDArray[Any]]] = {}
        for array in self._formats:
            if array.letter is None:
                rows[array.name] = self._read_only_rows(array)
            else:
                rows[array.name], varying[array.name] = self._varying_rows(array)
        self._samples = [  # fields are freed one by one: so few objects are added that no garbage collection starts
            _sample(place, self._fields.popleft(), {name: row[place] for name, row in rows.items()})
            for place in range(self._count)
        ]
        return varying

    def _read_only_rows(self, array: ArrayFormat) -> list[NDArray[Any]]:
        if not self._count:
            return []
        view = self._stacked[array.name][: self._count]
        view.flags.writeable = False
        return list(view)

    def _varying_rows(self, array: ArrayFormat) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Return each sample's array, and the array that they are parts of."""
        pieces = self._varying[array.name]
        joined = np.frombuffer(b"".join(pieces), array.spec.dtype).reshape(-1, *array.spec.shape[1:])
        bounds = accumulate([len(piece) // array.row_bytes for piece in pieces], initial=0)
        return [joined[start:stop] for start, stop in pairwise(bounds)], joined

    def finish(self, trailer: dict[str, Any], digest: str) -> WireBatch:
        """Check the trailer and return the batch. digest: of the batch's bytes before the trailer."""
        count = self._header.count
        if trailer["status"] != "ok" or _count(trailer, "count") != count:
            raise ProtocolError(f"trailer {trailer!r}: expected status ok and count {count}")
        if len(self._samples) != count:
            raise ProtocolError(f"a trailer after {len(self._samples)} samples: expected {count}")
        if trailer["digest"] != digest:
            raise ProtocolError(f"payload digest {trailer['digest']!r}: expected {digest!r}")
        return WireBatch(self._header, tuple(self._samples), self._stacked)


def _sample(place: int, fields: Mapping[str, Any], arrays: Arrays) -> WireSample:
    """Return the sample at a place of the batch. Raises ProtocolError if its fields are invalid."""
    key = fields["key"]
    if not isinstance(key, dict):
        raise ProtocolError(f"sample {place}: key = {key!r}: expected dict")
    try:
        parsed = SampleKey(**key), Recipe.parse(fields["recipe"])
    except (SamplerError, TypeError) as error:
        raise ProtocolError(f"sample {place}: {error}") from error
    return WireSample(place, *parsed, _count(fields, "untagged"), arrays)


def check_values(arrays: Arrays, layout: Layout, config: SamplerConfig, categories: int) -> None:
    """Raise ProtocolError for values that cannot be rendered: boxes or coordinates outside their planes."""
    if layout == "compact":
        _check_boxes(arrays, config, categories)
    elif layout == "sparse":
        for spec in dense_table(config, categories):
            if spec.sparse is None:
                continue
            places = arrays[f"{spec.name}_idx"]
            if places.size and (places.min() < 0 or (places >= np.array(spec.shape)).any()):
                raise ProtocolError(f"{spec.name}_idx: a coordinate outside {list(spec.shape)}")


def _check_boxes(arrays: Arrays, config: SamplerConfig, categories: int) -> None:
    boxes, objects = arrays["boxes"], arrays["objects"]
    corners, category = boxes[:, :4], boxes[:, 4]
    inside = (corners >= 0) & (corners <= config.input_side - 1)  # NaN compares false
    if not inside.all() or (corners[:, :2] > corners[:, 2:]).any():
        raise ProtocolError(f"boxes: expected 0 ≤ x0 ≤ x1 ≤ {config.input_side - 1}, and the same for y")
    if not ((category >= 1) & (category <= categories) & (category == np.floor(category))).all():
        raise ProtocolError(f"boxes: expected integer categories from 1 to {categories}")
    if (objects > 1).any() or (not family_of(config).ignores_boxes and not objects.all()):
        raise ProtocolError("objects: expected 1, or 0 for an ignored box if the config ignores boxes")


def _header(message: dict[str, Any], layout: Layout) -> Header:
    if message["protocol"] != PROTOCOL:
        raise ProtocolError(f"protocol {message['protocol']!r}: expected {PROTOCOL}")
    if _count(message, "count") > MAX_BATCH:
        raise ProtocolError(f"a batch of {message['count']} samples: expected at most {MAX_BATCH}")
    if message["layout"] != layout:
        raise ProtocolError(f"layout {message['layout']!r}: expected {layout!r}, as requested")
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
        raise ProtocolError(f"{field} = {value!r}: expected {kind.__name__}")
    return value


def _count(message: Mapping[str, Any], field: str) -> int:
    return require_integer(field, message[field], 0, error=ProtocolError)
