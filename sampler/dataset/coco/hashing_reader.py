"""Reading a file once and hashing it beside: the two take a processor each."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader
from types import TracebackType
from typing import BinaryIO

SECTION = 8 << 20
"""Bytes hashed in one go: the thread waits for its turn before each, so there should be few."""


class HashedFile:
    """The bytes of a stream from its start, in order; `digest` is that of all that was read.

    A section is hashed by a thread while its reader is busy with it. At most two sections are in memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.blake2b(digest_size=16)
        self._thread = ThreadPoolExecutor(1, "hash")
        self._under_way: Future[None] | None = None
        self._section = b""
        self._at = 0
        stream.seek(0)

    def __enter__(self) -> "HashedFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def read(self, size: int) -> bytes:
        """Up to `size` more bytes, nothing at the end. Raises OSError."""
        if self._at == len(self._section):
            self._section, self._at = self._stream.read(SECTION), 0
            self._settle()
            self._under_way = self._thread.submit(self._hasher.update, self._section)
        block = self._section[self._at : self._at + size]
        self._at += len(block)
        return block

    def digest(self) -> str:
        """32 hexadecimal digits: BLAKE2b-128 of a stream that was read to its end."""
        self._settle()
        return self._hasher.hexdigest()

    def _settle(self) -> None:
        if self._under_way is not None:
            self._under_way.result()


def stream_digest(stream: BufferedReader) -> str:
    """32 hexadecimal digits: BLAKE2b-128 of a whole stream. Raises OSError."""
    stream.seek(0)
    return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
