"""Reads a response: bytes in, complete and verified batches out.

The reader does not trust the wire. Each length, dtype, shape and value that rendering relies on is checked against the
array table, nothing is unpickled, and a batch is returned only after its trailer was verified.

The reader does no I/O. It says where the next bytes belong, so that large arrays are received from the socket straight
into the stacked arrays of the batch, without a copy:

    socket ──→ scratch buffer    everything small: headers, keys, recipes, boxes, trailers, the start of an array
           └─→ row               the rest of an array, where it stays

A message from another encoder takes a slower path to the same result or the same error: msgpack decodes its bytes, and
the arrays are copied into their rows.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sampler.array_table import largest_sample
from sampler.arrays import LAYOUTS, Layout
from sampler.config.schema import SamplerConfig
from sampler.errors import SamplerError
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.array_format import ArrayFormat
from sampler.wire.batch_builder import BatchBuilder
from sampler.wire.fast_path import Head, OtherEncodingError, find_array, read_head
from sampler.wire.general_path import IncomingMessage
from sampler.wire.messages import PayloadDigest, WireBatch

SCRATCH_BYTES = 64 << 10
"""Size of the scratch buffer."""

SCAN_BYTES = 4 << 10
"""Bytes received into the scratch buffer at once if an array may start soon; those of the array are copied again."""

SMALL_ARRAY = 16 << 10
"""Bytes up to which an array is received through the scratch buffer."""

EXTRA_BYTES = 16 << 20
"""Bytes of a message beyond those of `largest_sample`: recipe, names, boxes past `max_objects`."""

MAX_BATCH = 65536
"""The largest batch that a server can be configured for."""


class RemoteError(SamplerError):
    """The server could not make a sample. `problem` is the problem document that it sent."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server reports an error"))
        self.problem = problem


class _PartialSample:
    """A sample whose arrays are being received in place.

    start: where its bytes in the scratch buffer start. pieces: its bytes that are no longer there. next: number of the
    next array.
    """

    __slots__ = ("head", "lengths", "next", "pieces", "start", "varying")

    def __init__(self, head: Head, start: int) -> None:
        self.head = head
        self.start = start
        self.next = 0
        self.lengths: dict[str, int] = {}
        self.varying: dict[str, bytes | bytearray] = {}
        self.pieces: list[bytes | memoryview] = []


class BatchReader:
    """Reads batches from the bytes of a response, however these are cut.

        reader = BatchReader(config, categories, layout="compact")
        while (count := receive_into(*reader.buffers())):
            for batch in reader.advance(count): ...
        assert not reader.incomplete

    If the bytes are in memory already, `reader.feed(chunk)` replaces `buffers` and `advance`. Methods raise
    ProtocolError for bytes that are not a response, and RemoteError for an error that the server reports. After an
    error the reader cannot be used any more.
    """

    def __init__(
        self,
        config: SamplerConfig,
        categories: int,
        layout: Layout,
        max_batch: int = MAX_BATCH,
        memory: BufferPool | None = None,
    ) -> None:
        """Expect batches in `layout`.

        Args:
            config: the server's.
            categories: C, the number of categories of the dataset.
            layout: as requested.
            max_batch: the most samples of a batch.
            memory: for the stacked arrays; a pool of its own by default.
        """
        self._batch = BatchBuilder(config, categories, layout, max_batch, memory or BufferPool())
        self._formats = self._batch.formats
        self._limit = _message_limit(config, categories)
        self._scratch = bytearray(SCRATCH_BYTES)
        self._view = memoryview(self._scratch)
        self._start = self._end = 0  # of the bytes in the scratch buffer that are not read yet
        self._digested = 0  # the bytes before it are digested, or belong to no batch
        self._row: memoryview | None = None  # the missing part of an array that is received in place
        self._sample: _PartialSample | None = None
        self._message: IncomingMessage | None = None
        self._digest = PayloadDigest()

    @property
    def incomplete(self) -> bool:
        """Whether the bytes so far end inside a batch."""
        return self._batch.header is not None or self._message is not None or self._start < self._end

    def buffer(self) -> memoryview:
        """Return the memory for the next bytes of the response, at least one.

        Fill any number of bytes from its start, and pass their number to `advance`.
        """
        if self._row is not None:
            return self._row
        if self._start == self._end or len(self._scratch) - self._end < SCAN_BYTES:
            self._compact_scratch()
        stop = len(self._scratch) if self._message is not None else self._end + SCAN_BYTES
        return self._view[self._end : stop]

    def buffers(self) -> tuple[memoryview, ...]:
        """Return `buffer()`, and the memory for the bytes after it if that is known already.

        One system call may fill both; pass the total number of bytes to `advance`.
        """
        if self._row is None:
            return (self.buffer(),)
        return self._row, self._view[:SCAN_BYTES]  # the scratch buffer is empty while an array is received in place

    def advance(self, count: int) -> Iterator[WireBatch]:
        """Process `count` received bytes and yield each batch they complete. Exhaust the iterator."""
        if self._row is None:
            self._end += count
        else:
            inside = min(count, len(self._row))
            self._digest.update(self._row[:inside])
            if inside < len(self._row):
                self._row = self._row[inside:]
                return
            self._row, self._end = None, count - inside
            self._finish_array()
        while self._start < self._end:
            if self._message is None and not self._read_in_place():
                return
            if self._message is not None:
                message = self._read_message()
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
                head = self._read_head()
                if head is None:
                    return False
                self._sample = _PartialSample(head, self._start)
                self._start = head.end
            return self._read_arrays(self._sample)
        except OtherEncodingError:
            self._digest_scratch()
            sample, self._sample = self._sample, None
            received = bytearray()
            if sample is not None:
                received = received.join([*sample.pieces, self._view[sample.start : self._start]])
            self._message = IncomingMessage(self._limit, received)
        return True

    def _read_head(self) -> Head | None:
        if self._batch.header is None:
            raise OtherEncodingError
        head = read_head(self._scratch, self._start, self._end, len(self._formats))
        if head is not None and not self._batch.expects(head.position):
            raise OtherEncodingError
        return head

    def _read_arrays(self, sample: _PartialSample) -> bool:
        """Read the sample's next arrays from the scratch buffer; return whether it may hold more than these."""
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
                self._batch.row(array.name)[:] = self._view[start:stop]
            else:
                sample.varying[array.name] = self._scratch[start:stop]
            self._start = stop
            sample.next += 1
        self._sample = None
        self._batch.add(sample.head.key, sample.head.recipe, sample.head.untagged, sample.varying)
        return True

    def _receive_in_place(self, sample: _PartialSample, array: ArrayFormat, start: int, size: int) -> None:
        """Copy the received part of an array to where it stays, and have the rest received there."""
        if array.letter is None:
            row = self._batch.row(array.name)
        else:
            sample.varying[array.name] = data = bytearray(size)
            row = memoryview(data)
        received = self._end - start
        row[:received] = self._view[start : self._end]
        self._start = self._end
        self._compact_scratch()
        self._row = row[received:]
        sample.pieces.append(self._row)

    def _finish_array(self) -> None:
        """Continue after an array that was received in place."""
        assert self._sample is not None, "an array outside a sample"
        self._sample.next += 1
        if self._sample.next == len(self._formats):
            self._read_arrays(self._sample)

    def _read_message(self) -> dict[str, Any] | None:
        """Decode the message with msgpack; None if it is incomplete."""
        assert self._message is not None, "no message to read"
        current, piece = self._message, self._view[self._start : self._end]
        found = current.read(piece)
        if found is None:
            current.received += piece
            self._start = self._digested = self._end
            return None
        message, length = found
        if message["type"] in ("header", "sample"):
            self._digest.update(memoryview(current.received)[current.digested :])
            self._digest.update(piece[:length])
        self._message = None
        self._start += length
        self._digested = self._start
        return message

    def _process(self, message: dict[str, Any]) -> WireBatch | None:
        """Add a message to the batch; return the batch if the message completes it."""
        if message["type"] == "error":
            problem = message["problem"]
            raise RemoteError(problem if isinstance(problem, dict) else {"detail": str(problem)})
        if message["type"] == "header":
            self._batch.add_header(message)
        elif message["type"] == "sample":
            self._batch.add_message(message)
        else:
            digest, self._digest = self._digest, PayloadDigest()
            return self._batch.finish(message, digest.hex())
        return None


@lru_cache(maxsize=64)
def _message_limit(config: SamplerConfig, categories: int) -> int:
    return max(largest_sample(layout, config, categories) for layout in LAYOUTS) + EXTRA_BYTES
