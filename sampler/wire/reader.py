"""Reading a response: bytes in, whole and checked batches out.

Nothing from the wire is believed: every length, dtype, shape and value that rendering relies on is checked against
the array table, nothing is unpickled, and a batch is handed over only after its trailer was found right.

The reader does no I/O, but says where the next bytes belong, so that whoever has a socket can receive large arrays
straight into the arrays of the batch, one sample's beneath the other's, without a copy:

    socket ──→ desk    what is small: headers, keys, recipes, boxes, trailers; up to the first bytes of an array
           └─→ rows    the rest of an array, where it is to stay

A message written in another way than our encoder's takes a longer way to the same result or the same error: the
bytes so far, wherever they lie, go to msgpack, and from there into the rows.
"""

from collections.abc import Iterator
from typing import Any

from sampler.arrays import Layout
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.batch_builder import BatchAssembly
from sampler.wire.fast_path import Head, OtherEncodingError, Slot, locate, read_head
from sampler.wire.general_path import Message
from sampler.wire.messages import PayloadDigest, WireBatch
from sampler.wire.plan import wire_plan

DESK_BYTES = 64 << 10
"""Room for bytes that have no place of their own."""

GLANCE_BYTES = 4 << 10
"""Bytes that are put on the desk at once where an array may soon begin: what is on it costs another copy."""

SMALL_BYTES = 16 << 10
"""Data up to this length is waited for on the desk."""

SLACK_BYTES = 16 << 20
"""Room in a message for what the array table does not bound: recipe, names, boxes past `max_objects`."""

LARGEST_BATCH = 65536
"""The most samples that any server can be set to give in one batch."""


class RemoteError(SamplerError):
    """The server could not make a sample; `problem` is the problem document it sent."""

    def __init__(self, problem: dict[str, Any]) -> None:
        """Take the problem's detail for a message."""
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server reports an error"))
        self.problem = problem


class _Sample:
    """A sample's message whose arrays are received in place, up to its next array.

    pieces: its bytes that the desk no longer has. begin: where on the desk those after them begin.
    """

    __slots__ = ("begin", "head", "lengths", "next", "pieces", "varying")

    def __init__(self, head: Head, begin: int) -> None:
        self.head = head
        self.begin = begin
        self.next = 0
        self.lengths: dict[str, int] = {}
        self.varying: dict[str, bytes | bytearray] = {}
        self.pieces: list[bytes | memoryview] = []


class BatchReader:
    """Turns a response, cut anywhere, into whole batches.

        reader = BatchReader(config, categories, layout="compact")
        while (count := receive_into(*reader.buffers())):
            for batch in reader.advance(count): ...
        reader.close()

    or, where the bytes are there already, `reader.feed(chunk)` in place of both. categories: C of the dataset. Every
    method raises `ProtocolError` for bytes that are not a response, and `RemoteError` for an error the server
    reports. After an error the reader is of no more use.
    """

    def __init__(
        self,
        config: SamplerConfig,
        categories: int,
        layout: Layout,
        max_batch: int = LARGEST_BATCH,
        memory: BufferPool | None = None,
    ) -> None:
        """Expect batches in `layout`, of at most `max_batch` samples. memory: where their arrays are to lie."""
        plan = wire_plan(config, categories, layout)
        self._batch = BatchAssembly(config, categories, layout, max_batch, memory or BufferPool())
        self._slots = plan.slots
        self._limit = plan.largest + SLACK_BYTES
        self._desk = bytearray(DESK_BYTES)
        self._view = memoryview(self._desk)
        self._start = self._end = 0
        self._hashed = 0  # the desk's bytes before it are digested, or belong to no batch
        self._place: memoryview | None = None
        self._sample: _Sample | None = None
        self._message: Message | None = None
        self._digest = PayloadDigest()

    @property
    def midway(self) -> bool:
        """Whether the bytes so far end inside a batch."""
        return self._batch.header is not None or self._message is not None or self._start < self._end

    def buffer(self) -> memoryview:
        """Return where the next bytes of the response belong: writable, at least one byte.

        Any number of bytes from its start may be filled, and `advance` told how many.
        """
        if self._place is not None:
            return self._place
        if self._start == self._end or len(self._desk) - self._end < GLANCE_BYTES:
            self._clear_desk()
        stop = len(self._desk) if self._message is not None else self._end + GLANCE_BYTES
        return self._view[self._end : stop]

    def buffers(self) -> tuple[memoryview, ...]:
        """Return `buffer`, and where the bytes that follow belong, if that is known, once it is full.

        They may be filled in one call of the system, one after the other; `advance` is told how many bytes in all.
        """
        if self._place is None:
            return (self.buffer(),)
        return self._place, self._view[:GLANCE_BYTES]  # the desk is empty while an array is received in place

    def advance(self, count: int) -> Iterator[WireBatch]:
        """Say that `count` bytes were put into `buffer`; yield each batch they complete. To be read to its end."""
        if self._place is None:
            self._end += count
        else:
            inside = min(count, len(self._place))
            self._digest.update(self._place[:inside])
            if inside < len(self._place):
                self._place = self._place[inside:]
                return
            self._place, self._end = None, count - inside
            self._sample_goes_on()
        while self._start < self._end:
            if self._message is None and not self._read_in_place():
                return
            if self._message is not None:
                message = self._read_message()
                if message is None:
                    return
                batch = self._take(message)
                if batch is not None:
                    yield batch

    def feed(self, chunk: bytes | memoryview) -> Iterator[WireBatch]:
        """Take the next bytes; yield each batch that they complete. To be read to its end before the next call."""
        rest = memoryview(chunk)
        while rest:
            room = self.buffer()
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            yield from self.advance(count)

    def close(self) -> None:
        """Say that the response ended. Raises `ProtocolError` if it ended inside a batch."""
        if self.midway:
            header = self._batch.header
            got = f"after {self._batch.count} of {header.count} samples" if header else "inside a message"
            raise ProtocolError(f"the response ended {got}: expected a trailer")

    def _clear_desk(self) -> None:
        """Move the bytes that are not read yet to the start of the desk."""
        self._digest_desk()
        left = self._end - self._start
        if self._sample is not None:
            self._sample.pieces.append(bytes(self._view[self._sample.begin : self._start]))
            self._sample.begin = 0
        self._desk[:left] = self._desk[self._start : self._end]
        self._start, self._end, self._hashed = 0, left, 0

    def _digest_desk(self) -> None:
        """Digest the bytes on the desk that were read."""
        if self._hashed < self._start:
            self._digest.update(self._view[self._hashed : self._start])
            self._hashed = self._start

    def _read_in_place(self) -> bool:
        """Go on with the bytes on the desk; return whether more can be read from it.

        Where they are not a sample as our encoder writes it, msgpack gets them, and what came before them.
        """
        try:
            if self._sample is None:
                head = self._read_head()
                if head is None:
                    return False
                self._sample = _Sample(head, self._start)
                self._start = head.end
            return self._read_arrays(self._sample)
        except OtherEncodingError:
            self._digest_desk()
            sample, self._sample = self._sample, None
            rest = self._view[sample.begin : self._start] if sample else b""
            held = bytearray().join([*(sample.pieces if sample else ()), rest])
            self._message = Message(self._limit, held, len(held))
        return True

    def _read_head(self) -> Head | None:
        if self._batch.header is None:
            raise OtherEncodingError
        head = read_head(self._desk, self._start, self._end, len(self._slots))
        if head is not None and not self._batch.expects(head.position):
            raise OtherEncodingError
        return head

    def _read_arrays(self, sample: _Sample) -> bool:
        """Take the sample's next arrays from the desk; return whether there may be more on it than they."""
        slots = self._slots
        while sample.next < len(slots):
            slot = slots[sample.next]
            found = locate(slot, self._desk, self._start, self._end)
            if found is None:
                return False
            begin, rows, size = found
            stop = begin + size
            if slot.letter is not None and (size > self._limit or sample.lengths.setdefault(slot.letter, rows) != rows):
                raise OtherEncodingError
            if stop > self._end:
                if size > SMALL_BYTES:
                    self._receive_in_place(sample, slot, begin, size)
                return False
            if slot.letter is None:
                self._batch.row(slot.name)[:] = self._view[begin:stop]
            else:
                sample.varying[slot.name] = self._desk[begin:stop]
            self._start = stop
            sample.next += 1
        self._sample = None
        self._batch.add(sample.head.key, sample.head.recipe, sample.head.untagged, sample.varying)
        return True

    def _receive_in_place(self, sample: _Sample, slot: Slot, begin: int, size: int) -> None:
        """Put what the desk has of an array where that is to stay, and let what is missing follow it there."""
        if slot.letter is None:
            place = self._batch.row(slot.name)
        else:
            sample.varying[slot.name] = data = bytearray(size)
            place = memoryview(data)
        there = self._end - begin
        place[:there] = self._view[begin : self._end]
        self._start = self._end
        self._clear_desk()
        self._place = place[there:]
        sample.pieces.append(self._place)

    def _sample_goes_on(self) -> None:
        """Go on to the array after the one that was received in place; after the last, the sample is whole."""
        assert self._sample is not None, "an array outside a sample"
        self._sample.next += 1
        if self._sample.next == len(self._slots):
            self._read_arrays(self._sample)

    def _read_message(self) -> dict[str, Any] | None:
        """Read the message that msgpack has with all that is on the desk; return None where more is needed."""
        assert self._message is not None, "no message to read"
        current, piece = self._message, self._view[self._start : self._end]
        found = current.read(piece)
        if found is None:
            current.held += piece
            self._start = self._hashed = self._end
            return None
        message, length = found
        if message["type"] in ("header", "sample"):
            self._digest.update(memoryview(current.held)[current.hashed :])
            self._digest.update(piece[:length])
        self._message = None
        self._start += length
        self._hashed = self._start
        return message

    def _take(self, message: dict[str, Any]) -> WireBatch | None:
        if message["type"] == "error":
            problem = message["problem"]
            raise RemoteError(problem if isinstance(problem, dict) else {"detail": str(problem)})
        if message["type"] == "header":
            self._batch.begin(message)
        elif message["type"] == "sample":
            self._batch.add_message(message)
        else:
            digest, self._digest = self._digest, PayloadDigest()
            return self._batch.finish(message, digest.hex())
        return None
