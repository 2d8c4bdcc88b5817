"""An annotation file as the source of an index: its digest, its columns, and a note of both for the next time."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import msgspec

from sampler.atomic_write import atomic_write
from sampler.dataset.coco.annotations import Annotations, parse_annotations, read_annotations
from sampler.dataset.fingerprint import Fingerprint, wait_until_settled
from sampler.errors import AnnotationError
from sampler.printable import path_text
from sampler.regular_files import open_regular
from sampler.system_errors import explain

_SECTION = 4 << 20
"""Bytes hashed at a time. Large, because the hashing thread waits for its turn before each section."""

_CAUSES = {
    FileNotFoundError: "annotation file does not exist",
    IsADirectoryError: "is a folder; expected a COCO-format JSON file",
}

Content = TypeVar("Content")


class LoadedCoco(Protocol):
    """A loaded `pycocotools.coco.COCO`."""

    dataset: Any


class Note(msgspec.Struct, frozen=True):
    """The file at `path` has this digest while it has this fingerprint. Stored under the key `stamp`."""

    path: str
    fingerprint: Fingerprint = msgspec.field(name="stamp")
    digest: str


class AnnotationFile:
    """An open annotation file. Reading it raises AnnotationError if it fails or the file has changed meanwhile."""

    def __init__(self, path: Path, stream: BinaryIO, indexes: Path) -> None:
        self.path = path
        self._stream = stream
        self._absolute = path_text(path.absolute())
        self._opened = time.time_ns()
        self._fingerprint = Fingerprint.of(os.fstat(stream.fileno()))
        key = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=16).hexdigest()
        self._note = indexes / ".sources" / f"{key}.json"

    @classmethod
    @contextmanager
    def open(cls, annotations: Path | LoadedCoco, indexes: Path) -> Iterator["AnnotationFile"]:
        """Open an annotation file whose notes are in the folder of all indexes. Raises AnnotationError."""
        path = annotations if isinstance(annotations, Path) else Path("loaded COCO object")
        try:
            stream = open_regular(annotations) if isinstance(annotations, Path) else _serialised(annotations)
        except OSError as error:
            raise _unreadable(path, error) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise AnnotationError(path, "", f"not COCO format: {error}") from error
        with stream:
            yield cls(path, stream, indexes)

    def noted_digest(self) -> str | None:
        """Return the digest from the last time the file was read, or None if it may have changed."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=Note)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None  # missing or damaged: the file is read instead
        return note.digest if (note.path, note.fingerprint) == (self._absolute, self._fingerprint) else None

    def note(self, digest: str) -> None:
        """Write down the digest, unless the file is so new that it may change without showing it."""
        if not self._fingerprint.is_settled(self._opened):
            return
        # If the cache is full or read-only, the file is read again next time; nothing else depends on the note.
        with suppress(OSError):
            self._note.parent.mkdir(exist_ok=True)
            atomic_write(self._note, msgspec.json.encode(Note(self._absolute, self._fingerprint, digest)))

    def digest(self) -> str:
        """Read the file and return its BLAKE2b-128, 32 hexadecimal digits."""
        return self._checked(self._hashed)

    def parse(self) -> tuple[Annotations, str]:
        """Read the file and return its columns and digest. Parsing and hashing take a CPU each."""
        # Both read the file, so any change from here on must show in the fingerprint.
        if not wait_until_settled([self._fingerprint]):
            return self._checked(self._parsed_once)
        with ThreadPoolExecutor(1, "hash") as thread:
            digest = thread.submit(self._hashed)
            return self._checked(lambda: (read_annotations(self._stream, self.path), digest.result()))

    def _parsed_once(self) -> tuple[Annotations, str]:
        """Read the file into memory: for file systems whose times are too coarse to show every change."""
        self._stream.seek(0)
        data = self._stream.read()
        return parse_annotations(data, self.path), hashlib.blake2b(data, digest_size=16).hexdigest()

    def _hashed(self) -> str:
        hasher, at = hashlib.blake2b(digest_size=16), 0
        section = memoryview(bytearray(_SECTION))  # reused, to save memory while the file is parsed
        while count := os.preadv(self._stream.fileno(), [section], at):
            hasher.update(section[:count])
            at += count
        return hasher.hexdigest()

    def _checked(self, read: Callable[[], Content]) -> Content:
        try:
            content = read()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if Fingerprint.of(os.fstat(self._stream.fileno())) != self._fingerprint:
            raise AnnotationError(self.path, "", "annotation file changed while it was read; start again")
        return content


def _serialised(coco: LoadedCoco) -> BinaryIO:
    """Return an anonymous file with the annotations of a COCO object, whose run lengths may be bytes."""
    data = json.dumps(coco.dataset, default=bytes.decode).encode()
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    stream.write(data)
    stream.flush()
    return stream


def _unreadable(path: Path, error: OSError) -> AnnotationError:
    cause = explain(error, path, "use a file that this user can read")
    return AnnotationError(path, "", _CAUSES.get(type(error), f"cannot be read: {cause}"))
