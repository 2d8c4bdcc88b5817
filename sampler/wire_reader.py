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

import msgpack

from sampler.arrays import LAYOUTS, Layout, largest_sample
from sampler.config import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.recycled import RecycledMemory
from sampler.wire import PayloadDigest, WireBatch
from sampler.wire_assembly import BatchAssembly
from sampler.wire_scan import Head, OtherEncodingError, locate, read_head, slots_of

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

FIELDS = {
    "header": {"type", "protocol", "digest", "layout", "augment", "count", "step"},
    "sample": {"type", "position", "key", "recipe", "untagged", "arrays"},
    "trailer": {"type", "status", "count", "digest"},
    "error": {"type", "problem"},
}


class RemoteError(SamplerError):
    """The server could not make a sample; `problem` is the problem document it sent."""

    def __init__(self, problem: dict[str, Any]) -> None:
        """Take the problem's detail for a message."""
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server reports an error"))
        self.problem = problem


class _Message:
    """A message that msgpack reads. held: its bytes before those on the desk; hashed: how many of them are digested."""

    def __init__(self, limit: int, held: bytearray, hashed: int) -> None:
        self.held = held
        self.hashed = hashed
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
        self._unpacker.feed(held)

    def read(self, piece: memoryview) -> tuple[object, int] | None:
        """Take more bytes; return the message and how many of these bytes it took, or None: more are needed."""
        try:
            self._unpacker.feed(piece)
            message = self._unpacker.unpack()
        except msgpack.OutOfData:
            return None
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error
        return message, self._unpacker.tell() - len(self.held)


class _Sample:
    """A sample's message whose arrays are received in place, up to its next array."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.next = 0
        self.lengths: dict[str, int] = {}
        self.varying: dict[str, bytes | bytearray] = {}
        self.pieces: list[bytes | bytearray | memoryview] = []


class BatchReader:
    """Turns a response, cut anywhere, into whole batches.

        reader = BatchReader(config, categories, layout="compact")
        while (count := receive_into(reader.buffer())):
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
        memory: RecycledMemory | None = None,
    ) -> None:
        """Expect batches in `layout`, of at most `max_batch` samples. memory: where their arrays are to lie."""
        self._batch = BatchAssembly(config, categories, layout, max_batch, memory or RecycledMemory())
        self._slots = slots_of(self._batch.table)
        largest = max(largest_sample(name, config, categories) for name in LAYOUTS)
        self._limit = largest + SLACK_BYTES
        self._desk = bytearray(DESK_BYTES)
        self._start = self._end = 0
        self._place: memoryview | None = None
        self._sample: _Sample | None = None
        self._message: _Message | None = None
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
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._desk) - self._end < GLANCE_BYTES:
            left = self._end - self._start
            self._desk[:left] = self._desk[self._start : self._end]
            self._start, self._end = 0, left
        stop = len(self._desk) if self._message is not None else self._end + GLANCE_BYTES
        return memoryview(self._desk)[self._end : stop]

    def advance(self, count: int) -> Iterator[WireBatch]:
        """Say that `count` bytes were put into `buffer`; yield each batch they complete. To be read to its end."""
        if self._place is not None:
            self._digest.update(self._place[:count])
            self._place = self._place[count:] if count < len(self._place) else None
            if self._place is None:
                self._next_array()
            return
        self._end += count
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

    def _read_in_place(self) -> bool:
        """Go on with the bytes on the desk; return whether more can be read from it.

        Where they are not a sample as our encoder writes it, msgpack gets them, and what came before them.
        """
        try:
            if self._sample is not None:
                return self._read_array(self._sample)
            head = self._read_head()
            if head is None:
                return False
            self._sample = _Sample(head)
            self._shelve(self._sample, head.end)
        except OtherEncodingError:
            held = bytearray().join(self._sample.pieces) if self._sample else bytearray()
            self._sample, self._message = None, _Message(self._limit, held, len(held))
        return True

    def _read_head(self) -> Head | None:
        if self._batch.header is None:
            raise OtherEncodingError
        head = read_head(self._desk, self._start, self._end, len(self._slots))
        if head is not None and not self._batch.expects(head.position):
            raise OtherEncodingError
        return head

    def _read_array(self, sample: _Sample) -> bool:
        slot = self._slots[sample.next]
        found = locate(slot, self._desk, self._start, self._end)
        if found is None:
            return False
        begin, rows, size = found
        there = min(size, self._end - begin)
        if there < size <= SMALL_BYTES:
            return False
        if slot.letter is not None:
            if size > self._limit or sample.lengths.setdefault(slot.letter, rows) != rows:
                raise OtherEncodingError
            sample.varying[slot.name] = data = bytearray(size)
            place = memoryview(data)
        else:
            place = self._batch.row(slot.name)
        place[:there] = memoryview(self._desk)[begin : begin + there]
        self._shelve(sample, begin)
        self._digest.update(place[:there])
        self._start += there
        sample.pieces.append(place)
        if there < size:
            self._place = place[there:]
        else:
            self._next_array()
        return True

    def _shelve(self, sample: _Sample, end: int) -> None:
        """Note the bytes on the desk up to `end` as part of the sample's message."""
        piece = bytes(self._desk[self._start : end])
        self._digest.update(piece)
        sample.pieces.append(piece)
        self._start = end

    def _next_array(self) -> None:
        """Go on to the array after the one that has just been received; after the last, the sample is whole."""
        sample = self._sample
        assert sample is not None, "an array outside a sample"
        sample.next += 1
        if sample.next == len(self._slots):
            self._sample = None
            self._batch.add(sample.head.key, sample.head.recipe, sample.head.untagged, sample.varying)

    def _read_message(self) -> dict[str, Any] | None:
        """Read the message that msgpack has with all that is on the desk; return None where more is needed."""
        assert self._message is not None, "no message to read"
        current, piece = self._message, memoryview(self._desk)[self._start : self._end]
        found = current.read(piece)
        if found is None:
            current.held += piece
            self._start = self._end
            return None
        message, length = found
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
            raise ProtocolError(f"message of type {kind!r}: expected one of {', '.join(FIELDS)}")
        if set(message) != FIELDS[kind]:
            raise ProtocolError(f"{kind} with fields {sorted(map(str, message))}: expected {sorted(FIELDS[kind])}")
        if kind in ("header", "sample"):
            self._digest.update(memoryview(current.held)[current.hashed :])
            self._digest.update(piece[:length])
        self._message = None
        self._start += length
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
