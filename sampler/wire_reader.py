"""Reading a response: bytes in, whole and checked batches out.

Nothing from the wire is believed: every length, dtype, shape and value that rendering relies on is checked against
the array table, nothing is unpickled, and a batch is handed over only after its trailer was found right.
"""

from collections.abc import Iterator
from typing import Any

import msgpack

from sampler.arrays import LAYOUTS, Layout, array_table, largest_sample
from sampler.config import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.keys import SampleKey
from sampler.recipe import Recipe
from sampler.wire import PROTOCOL, Header, PayloadDigest, WireBatch, WireSample
from sampler.wire_arrays import check_values, read_array

FEED_BYTES = 1 << 20
"""Bytes given to the unpacker at once, so that its buffer grows with the message rather than with the download."""

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


class BatchReader:
    """Turns chunks of a response, cut anywhere, into whole batches.

        reader = BatchReader(config, categories, layout="compact")
        for chunk in chunks:
            for batch in reader.feed(chunk): ...
        reader.close()

    categories: C of the dataset. Every method raises `ProtocolError` for bytes that are not a response, and
    `RemoteError` for an error the server reports. After an error the reader is of no more use.
    """

    def __init__(self, config: SamplerConfig, categories: int, layout: Layout, max_batch: int = LARGEST_BATCH) -> None:
        """Expect batches in `layout`, of at most `max_batch` samples."""
        self._max_batch = max_batch
        self._config = config
        self._categories = categories
        self._layout = layout
        self._table = array_table(layout, config, categories)
        largest = max(largest_sample(name, config, categories) for name in LAYOUTS)
        self._limit = largest + SLACK_BYTES
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            max_buffer_size=self._limit,
            max_bin_len=self._limit,
            max_str_len=1 << 20,
            max_array_len=1 << 10,
            max_map_len=1 << 10,
            max_ext_len=0,
        )
        self._unread = bytearray()
        self._consumed = 0
        self._header: Header | None = None
        self._samples: list[WireSample] = []
        self._digest = PayloadDigest()

    @property
    def midway(self) -> bool:
        """Whether the bytes so far end inside a batch."""
        return self._header is not None or bool(self._unread)

    def feed(self, chunk: bytes) -> Iterator[WireBatch]:
        """Take the next bytes; yield each batch that they complete. To be read to its end before the next call."""
        for start in range(0, len(chunk), FEED_BYTES):
            piece = chunk[start : start + FEED_BYTES]
            self._unread += piece
            for message in self._unpack(piece):
                batch = self._take(message)
                if batch is not None:
                    yield batch

    def close(self) -> None:
        """Say that the response ended. Raises `ProtocolError` if it ended inside a batch."""
        if self.midway:
            got = f"after {len(self._samples)} of {self._header.count} samples" if self._header else "inside a message"
            raise ProtocolError(f"the response ended {got}: expected a trailer")

    def _unpack(self, piece: bytes) -> Iterator[object]:
        try:
            self._unpacker.feed(piece)
            yield from self._unpacker
        except ProtocolError:
            raise
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error

    def _take(self, message: object) -> WireBatch | None:
        length = self._unpacker.tell() - self._consumed
        self._consumed += length
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
            raise ProtocolError(f"message of type {kind!r}: expected one of {', '.join(FIELDS)}")
        if set(message) != FIELDS[kind]:
            raise ProtocolError(f"{kind} with fields {sorted(map(str, message))}: expected {sorted(FIELDS[kind])}")
        if kind == "error":
            problem = message["problem"]
            raise RemoteError(problem if isinstance(problem, dict) else {"detail": str(problem)})
        if kind == "trailer":
            batch = self._finish(message)
        else:
            batch = None
            self._digest.update(memoryview(self._unread)[:length])
            self._start(message) if kind == "header" else self._append(message)
        del self._unread[:length]
        return batch

    def _start(self, message: dict[str, Any]) -> None:
        if self._header is not None:
            raise ProtocolError("a header inside a batch: expected samples and a trailer first")
        if message["protocol"] != PROTOCOL:
            raise ProtocolError(f"protocol {message['protocol']!r}: expected {PROTOCOL}")
        if _count(message, "count") > self._max_batch:
            raise ProtocolError(f"a batch of {message['count']} samples: expected at most {self._max_batch}")
        if message["layout"] != self._layout:
            raise ProtocolError(f"layout {message['layout']!r}: expected {self._layout!r}, as asked")
        self._header = Header(
            digest=_typed(message, "digest", str),
            layout=self._layout,
            augment=_typed(message, "augment", bool),
            count=_count(message, "count"),
            step=None if message["step"] is None else _count(message, "step"),
        )

    def _append(self, message: dict[str, Any]) -> None:
        if self._header is None:
            raise ProtocolError("a sample outside a batch: expected a header first")
        position = _count(message, "position")
        if position != len(self._samples) or position >= self._header.count:
            raise ProtocolError(f"sample {position} of {self._header.count}: expected sample {len(self._samples)}")
        arrays = _typed(message, "arrays", dict)
        names = [spec.name for spec in self._table]
        if list(arrays) != names:
            raise ProtocolError(f"sample {position} with arrays {list(arrays)}: expected {names}")
        lengths: dict[str, int] = {}
        read = {spec.name: read_array(arrays[spec.name], spec, lengths) for spec in self._table}
        check_values(read, self._layout, self._config, self._categories)
        try:
            key, recipe = SampleKey(**_typed(message, "key", dict)), Recipe.parse(message["recipe"])
        except (SamplerError, TypeError) as error:
            raise ProtocolError(f"sample {position}: {error}") from error
        self._samples.append(WireSample(position, key, recipe, _count(message, "untagged"), read))

    def _finish(self, message: dict[str, Any]) -> WireBatch:
        if self._header is None:
            raise ProtocolError("a trailer outside a batch: expected a header first")
        if message["status"] != "ok" or _count(message, "count") != self._header.count:
            raise ProtocolError(f"trailer {message!r}: expected status ok and count {self._header.count}")
        if len(self._samples) != self._header.count:
            raise ProtocolError(f"a trailer after {len(self._samples)} samples: expected {self._header.count}")
        if message["digest"] != self._digest.hex():
            raise ProtocolError(f"payload digest {message['digest']!r}: expected {self._digest.hex()!r}")
        batch = WireBatch(self._header, tuple(self._samples))
        self._header, self._samples, self._digest = None, [], PayloadDigest()
        return batch


def _typed(message: dict[str, Any], field: str, kind: type) -> Any:
    value = message[field]
    if not isinstance(value, kind):
        raise ProtocolError(f"{field} = {value!r}: expected {kind.__name__}")
    return value


def _count(message: dict[str, Any], field: str) -> int:
    value = message[field]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProtocolError(f"{field} = {value!r}: expected a whole number")
    return value
