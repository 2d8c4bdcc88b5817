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

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgpack

from sampler.array_table import dense_table, largest_sample
from sampler.arrays import LAYOUTS, Layout
from sampler.config_schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.array_format import ArrayFormat, array_formats, binary_header, map_header
from sampler.wire.incoming_batch import IncomingBatch, parse_header
from sampler.wire.message_decoder import MessageDecoder, require_fields, type_of
from sampler.wire.messages import FIELDS, PayloadDigest, WireBatch
from sampler.wire.problem_types import is_shallow
from sampler.wire.value_checks import check_values

SCRATCH_BYTES = 64 << 10
"""Size of the scratch buffer."""

SCAN_BYTES = 4 << 10
"""Bytes received into the scratch buffer at once if an array may start soon; those of the array are copied again."""

SMALL_ARRAY = 16 << 10
"""Bytes up to which an array is received through the scratch buffer."""

EXTRA_BYTES = 16 << 20
"""Bytes of a message beyond those of `largest_sample`: recipe, names, boxes past `max_objects`."""

MAX_BOXES = 1 << 16
"""Boxes of a sample: far more than any image of a published dataset has."""

MAX_VARYING = 16 << 20
"""Bytes of an array of varying length for which memory is allocated before they have arrived."""

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
        self,
        config: SamplerConfig,
        categories: int,
        layout: Layout,
        memory: BufferPool | None = None,
        count: int | None = None,
    ) -> None:
        """Expect batches in `layout`.

        memory: for the stacked arrays; by default, its own pool. count: samples of each batch; None for any number.
        """
        self._config = config
        self._categories = categories
        self._layout: Layout = layout
        self._memory = memory or BufferPool()
        self._formats = array_formats(config, categories, layout)
        self._limit = _message_limit(config, categories)
        self._count = count
        self._most_rows = MAX_BOXES if layout == "compact" else _most_cells(config, categories)
        self._scratch = bytearray(SCRATCH_BYTES)
        self._view = memoryview(self._scratch)
        self._start = self._end = 0  # of the bytes in the scratch buffer that are not read yet
        self._digested = 0  # the bytes before it are digested
        self._row: memoryview | None = None  # the missing part of an array that is received in place
        self._batch: IncomingBatch | None = None
        self._sample: _IncomingSample | None = None
        self._message: MessageDecoder | None = None  # one that msgpack decodes
        self._digest = PayloadDigest()
        self.fault: ProtocolError | None = None
        """The first error in a message of the current batch."""
        self.sealed = False
        """After an error: whether the batch had the digest in its trailer, so that the sender made the error."""

    @property
    def incomplete(self) -> bool:
        """Whether the bytes so far end inside a batch."""
        return self.fault is not None or self._batch is not None or self._message is not None or self._start < self._end

    @property
    def samples(self) -> int:
        """Samples of the current batch that are complete."""
        return 0 if self._batch is None else self._batch.count

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
                decoder = self._message
                if not self._read_message(decoder):
                    return
                batch = self._process(decoder.message)
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
            self._message = MessageDecoder(self._limit, self._digest)
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
            if letter is not None and (rows > self._most_rows or sample.lengths.setdefault(letter, rows) != rows):
                raise OtherEncodingError
            if stop > self._end:
                if size > MAX_VARYING and letter is not None:
                    raise OtherEncodingError  # memory is then allocated as bytes arrive
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

    def _read_message(self, current: MessageDecoder) -> bool:
        """Decode the message with msgpack; return whether it is complete."""
        complete = current.read(self._view[self._start : self._end])
        self._start = self._end - current.unused
        self._digest_scratch()
        if complete:
            self._message = None
            if type_of(current.message) == "trailer":
                self._digest = current.digest_before
        return complete

    def _process(self, message: Any) -> WireBatch | None:
        """Add a message to the batch; return the batch if the message completes it.

        An error in a message is raised at the end of its batch, whose digest tells whether the sender made it.
        """
        kind = type_of(message)
        if self.fault is not None:
            if kind in ("header", "trailer"):
                self.sealed = kind == "trailer" and message.get("digest") == self._digest.hexdigest()
                raise self.fault
            if kind != "error":
                return None
        try:
            return self._accept(require_fields(message))
        except ProtocolError as error:
            if kind in ("trailer", "error"):  # nothing comes after it
                raise
            self.fault, self._batch = error, None
            return None

    def _accept(self, message: dict[str, Any]) -> WireBatch | None:
        kind, batch = message["type"], self._batch
        if kind == "error":
            problem = message["problem"] if is_shallow(message["problem"]) else {}
            raise RemoteError(problem if isinstance(problem, dict) else {"detail": str(problem)})
        if kind == "header":
            if batch is not None:
                raise ProtocolError("a header inside a batch: expected samples and a trailer first")
            header = parse_header(message, self._layout, self._count)
            self._batch = IncomingBatch(header, self._formats, self._memory, self._most_rows)
            return None
        if batch is None:
            raise ProtocolError(f"a {kind} outside a batch: expected a header first")
        if kind == "sample":
            batch.add_message(message)
            return None
        self._batch = None
        digest, self._digest = self._digest.hexdigest(), PayloadDigest()
        batch.require_trailer(message, digest)
        self.sealed = True
        check_values(batch.distribute(), self._layout, self._config, self._categories)
        complete = batch.finish()
        self.sealed = False
        return complete


@lru_cache(maxsize=64)
def _message_limit(config: SamplerConfig, categories: int) -> int:
    return max(largest_sample(layout, config, categories) for layout in LAYOUTS) + EXTRA_BYTES


@lru_cache(maxsize=64)
def _most_cells(config: SamplerConfig, categories: int) -> int:
    """Return the cells of the largest array that the sparse layout sends as coordinates and values."""
    return max((spec.nbytes // 4 for spec in dense_table(config, categories) if spec.sparse is not None), default=0)


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
