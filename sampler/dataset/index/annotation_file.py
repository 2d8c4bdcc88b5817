"""An annotation file and the digest of its content, remembered so that an unchanged file is not read again.

    <cache folder>/indexes/.sources/<BLAKE2b-128 of the path>.json

holds path, fingerprint and digest. It is only a shortcut: if anything does not match, the file is read.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import msgspec

from sampler.atomic_write import atomic_write
from sampler.dataset.coco.annotations import Annotations, scan_annotations
from sampler.dataset.fingerprint import Fingerprint
from sampler.errors import AnnotationError

Content = TypeVar("Content")


class Note(msgspec.Struct, frozen=True):
    """The file at `path` has this digest while it has this fingerprint. Stored under the key `stamp`."""

    path: str
    fingerprint: Fingerprint = msgspec.field(name="stamp")
    digest: str


class AnnotationFile:
    """An open annotation file. Reading it raises AnnotationError if it fails or the file has changed meanwhile."""

    def __init__(self, path: Path, stream: BufferedReader, indexes: Path) -> None:
        self.path = path
        self._stream = stream
        self._absolute = str(path.absolute())
        self._opened = time.time_ns()
        self._fingerprint = Fingerprint.of(os.fstat(stream.fileno()))
        key = hashlib.blake2b(os.fsencode(self._absolute), digest_size=16).hexdigest()
        self._note = indexes / ".sources" / f"{key}.json"

    @classmethod
    @contextmanager
    def open(cls, path: Path, indexes: Path) -> Iterator["AnnotationFile"]:
        """Open an annotation file whose notes are in the folder of all indexes. Raises AnnotationError."""
        try:
            stream = path.open("rb")
        except FileNotFoundError as error:
            raise AnnotationError(path, "", "annotation file does not exist") from error
        except IsADirectoryError as error:
            raise AnnotationError(path, "", "is a folder; expected a COCO-format JSON file") from error
        except OSError as error:
            raise _unreadable(path, error) from error
        with stream:
            yield cls(path, stream, indexes)

    def remembered_digest(self) -> str | None:
        """Return the digest from the last time the file was read, or None if it may have changed."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=Note)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None  # missing or damaged: the file is read instead
        return note.digest if (note.path, note.fingerprint) == (self._absolute, self._fingerprint) else None

    def digest(self) -> str:
        """Read the file and return its BLAKE2b-128, 32 hexadecimal digits."""
        return self._read(lambda: _stream_digest(self._stream))

    def parse(self) -> tuple[Annotations, str]:
        """Read the file and return its columns and digest."""
        return self._read(lambda: scan_annotations(self._stream, self.path))

    def remember(self, digest: str) -> None:
        """Write down the digest, unless the file is so new that it may change without showing it."""
        if not self._fingerprint.is_settled(self._opened):
            return
        # If the cache is full or read-only, the file is read again next time; nothing else depends on the note.
        with suppress(OSError):
            self._note.parent.mkdir(exist_ok=True)
            atomic_write(self._note, msgspec.json.encode(Note(self._absolute, self._fingerprint, digest)))

    def _read(self, read: Callable[[], Content]) -> Content:
        try:
            content = read()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if Fingerprint.of(os.fstat(self._stream.fileno())) != self._fingerprint:
            raise AnnotationError(self.path, "", "annotation file changed while it was read; start again")
        return content


def _stream_digest(stream: BufferedReader) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _unreadable(path: Path, error: OSError) -> AnnotationError:
    return AnnotationError(path, "", f"cannot be read: {error.strerror or error}")
