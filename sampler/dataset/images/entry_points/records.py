"""Records of entry points on disk: one sparse file for each dataset and image source.

    <cache folder>/entry-points/<dataset digest>-<hash of the image source>-v<format>.bin
        the record of image i is at i · 8192:
        ┌────────┬────────┬──────┬─────────────┬────────────────┬────────┬──────────┬─────────┐
        │ check  │ format │ kind │ orientation │ hash           │ length │ reserved │ payload │   little-endian
        │ uint64 │ uint32 │ byte │ byte        │ 2 × uint64     │ uint32 │ 30 bytes │         │
        └────────┴────────┴──────┴─────────────┴────────────────┴────────┴──────────┴─────────┘

`hash` is the XXH3-128 of the encoded file that the record is of, high half first, and `check` the XXH3-64 of everything
behind it. A record counts only if both match. Anything else counts as no record: unwritten, torn or damaged bytes, and
records of another version or of another file.

There are no locks. A record is a pure function of the encoded file, so processes that write the same record at once
write the same bytes. Records are read into private memory, never mapped, so that nothing changes after the check.
"""

import hashlib
import os
import struct
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import xxhash

from sampler.dataset.images.entry_points.points import RECORD_BYTES
from sampler.dataset.images.hashes import Hash
from sampler.dataset.images.orientation import AS_STORED
from sampler.dataset.images.source import ImageSource
from sampler.system_errors import explain

FORMAT = 2
"""Raised whenever the meaning of the file or of encoded entry points changes. All images are then recorded again."""

_HEADER = struct.Struct("<QIBBQQI30x")
_CHECKED = 8
"""Where the bytes begin that the check covers."""

STRIDE = _HEADER.size + RECORD_BYTES
"""Bytes from one record to the next: 8192, two pages of memory."""

_POINTS, _NONE = 1, 2


@dataclass(frozen=True, slots=True)
class Record:
    """What is recorded of an encoded file that was decoded whole without any note.

    Attributes:
        points: Its encoded entry points; None if it has none.
        reason: Why it has no entry points.
        orientation: Its EXIF orientation.
    """

    points: bytes | None
    reason: str = ""
    orientation: int = AS_STORED


class EntryPointRecords:
    """The records of a dataset's images, by index. Several processes and threads may read and write them at once.

    Attributes:
        file: The file.
        unwritable: Why records cannot be written; None if they can.
    """

    def __init__(self, file: Path, descriptor: int, unwritable: OSError | None = None) -> None:
        """Use an open file. Owns its descriptor."""
        self.file = file
        self.unwritable = unwritable
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, file: Path) -> "EntryPointRecords":
        """Open the records in a file, for reading only if it cannot be written. Raises OSError if there is none."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return cls(file, os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError as error:
            with suppress(OSError):
                # Opening a pipe would wait for a writer.
                return cls(file, os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), error)
            raise

    @property
    def disk_bytes(self) -> int:
        """Bytes that the records take on disk, without the holes between them."""
        return os.fstat(self._descriptor).st_blocks * 512

    def find(self, index: int, found: Hash) -> Record | None:
        """Return the record of an image whose encoded file has the hash `found`, or None."""
        try:
            stored = os.pread(self._descriptor, STRIDE, index * STRIDE)
        except OSError:  # a failing disk: the image is decoded whole, as without a record
            return None
        if len(stored) < _HEADER.size:
            return None
        check, version, kind, orientation, high, low, length = _HEADER.unpack_from(stored)
        end = _HEADER.size + length
        if version != FORMAT or (high, low) != found or end > len(stored):
            return None
        if xxhash.xxh3_64_intdigest(memoryview(stored)[_CHECKED:end]) != check:
            return None
        payload = stored[_HEADER.size : end]
        if kind == _POINTS:
            return Record(payload, "", orientation)
        return Record(None, payload.decode(errors="replace"), orientation) if kind == _NONE else None

    def write(self, index: int, found: Hash, record: Record) -> None:
        """Record an image whose encoded file has the hash `found`. Raises OSError."""
        kind = _NONE if record.points is None else _POINTS
        payload = record.reason.encode() if record.points is None else record.points
        if len(payload) > RECORD_BYTES:
            raise ValueError(f"a record of {len(payload)} bytes, expected at most {RECORD_BYTES}")
        stored = _HEADER.pack(0, FORMAT, kind, record.orientation, *found, len(payload)) + payload
        check = xxhash.xxh3_64_intdigest(memoryview(stored)[_CHECKED:])
        stored = check.to_bytes(_CHECKED, "little") + stored[_CHECKED:]
        done = 0
        while done < len(stored):  # all is written at once, unless the disk is full; then the next call says so
            done += os.pwrite(self._descriptor, stored[done:], index * STRIDE + done)


def not_recorded(file: Path, error: OSError) -> str:
    """Return the line that says why a process records no more, and what to do."""
    cause = f"{file}: entry points are no longer recorded: {explain(error, file)}"
    return f"{cause}; until the server restarts, images without a record are decoded whole"


def records_file(cache_dir: Path, dataset_digest: str, source: ImageSource) -> Path:
    """Return where the entry points of a dataset's images are recorded: one file for each image source."""
    place = hashlib.blake2b(source.identity.encode(), digest_size=8).hexdigest()
    return cache_dir / "entry-points" / f"{dataset_digest}-{place}-v{FORMAT}.bin"
