"""Hashing a file in a thread while its reader is busy with it, so that reading and hashing take a CPU each."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

SECTION = 8 << 20
"""Bytes hashed at a time. Large, because the thread waits for its turn before each section."""


class HashingReader:
    """Reads a stream from its start and hashes all that was read. At most two sections are in memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.blake2b(digest_size=16)
        self._thread = ThreadPoolExecutor(1, "hash")
        self._pending: Future[None] | None = None
        self._section = b""
        self._at = 0
        stream.seek(0)

    def __enter__(self) -> "HashingReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def read(self, size: int) -> bytes:
        """Return up to `size` more bytes, none at the end. Raises OSError."""
        if self._at == len(self._section):
            self._section, self._at = self._stream.read(SECTION), 0
            self._wait()
            self._pending = self._thread.submit(self._hasher.update, self._section)
        block = self._section[self._at : self._at + size]
        self._at += len(block)
        return block

    def digest(self) -> str:
        """Return the BLAKE2b-128 of what was read, 32 hexadecimal digits."""
        self._wait()
        return self._hasher.hexdigest()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
