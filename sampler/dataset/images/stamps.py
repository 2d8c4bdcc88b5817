"""States of images in object storage, recorded when each is first read: an object that is replaced later is noticed.

Servers and `decode` record them.

    <cache folder>/image-states/<dataset digest>-<hash of the image source>-v<format>.bin
        for each image 24 bytes: size and version of its object, int64 each, and their checksum, little-endian

A state is recorded lazily: nothing has to be asked about a hundred thousand objects at the start. It is recorded once
the object was decoded, so that a wrong response, such as the login page of a proxy, is never taken for the object. All
processes with the same cache folder share the file. With recorded hashes it is not used: they tell more.
"""

import hashlib
import os
import struct
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.source import ImageSource, ImageStat

FORMAT = 1
"""Raised whenever the meaning of the file changes."""

_NUMBERS = struct.Struct("<qq")
_CHECK = struct.Struct("<Q")
_ROW_BYTES = _NUMBERS.size + _CHECK.size


@dataclass(frozen=True, slots=True, weakref_slot=True)
class ImageStamps:
    """Recorded states of the images of a dataset.

    Attributes:
        file: Their file.
        recording: Whether states are recorded; otherwise images are only compared with those that are.
    """

    file: Path
    recording: bool
    _descriptor: int = field(repr=False)

    @classmethod
    def open(cls, file: Path) -> "ImageStamps":
        """Open the file, or create it. A file that cannot be written is only read. Raises OSError."""
        flags, recording = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, True
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, flags, 0o644)
        except OSError as error:
            descriptor, recording = _open_existing(file, error), False
        opened = cls(file, recording, descriptor)
        weakref.finalize(opened, os.close, descriptor)
        return opened

    def check(self, index: int, found: ImageStat) -> None:
        """Raise a DecodeError of kind "changed" if another state of an image is recorded."""
        self._is_recorded(index, found)

    def record(self, index: int, found: ImageStat) -> None:
        """Record the state of an image that could be decoded, unless one is recorded. Raises what `check` raises."""
        if not self._is_recorded(index, found):
            self._record(index, found.numbers)

    def record_decoded(self, index: int, numbers: tuple[int, int]) -> None:
        """Record the state from which an image in a store was decoded, unless one is recorded."""
        if self.recorded(index) is None:
            self._record(index, numbers)

    def _is_recorded(self, index: int, found: ImageStat) -> bool:
        expected = self.recorded(index)
        if expected is not None and expected != found.numbers:
            same = "of the same size, but with another ETag or time"
            how = same if expected[0] == found.size else f"{expected[0]} bytes then, {found.size} now"
            cause = f"the object has changed since it was first read ({how})"
            remedy = "restore it, or run `saccade-sampler index --hash-images` to use the objects as they are now"
            raise DecodeError("changed", f"{cause}; {remedy}, and restart the server")
        return expected is not None

    def recorded(self, index: int) -> tuple[int, int] | None:
        """Return the recorded state of an image as two 64-bit integers (see `ImageStat`); None if there is none."""
        try:
            row = os.pread(self._descriptor, _ROW_BYTES, index * _ROW_BYTES)
        except OSError:  # a failing disk: as without a record
            return None
        if len(row) < _ROW_BYTES or _CHECK.unpack_from(row, _NUMBERS.size)[0] != _checksum(row, index):
            return None
        size, version = _NUMBERS.unpack_from(row)
        return size, version

    def _record(self, index: int, numbers: tuple[int, int]) -> None:
        if not self.recording:
            return
        row = _NUMBERS.pack(*numbers)
        try:
            os.pwrite(self._descriptor, row + _CHECK.pack(_checksum(row, index)), index * _ROW_BYTES)
        except OSError:  # a full disk: the next process that reads the image tries again
            return


def stamps_file(cache_dir: Path, dataset_digest: str, source: ImageSource) -> Path:
    """Return where the states of a dataset's images are recorded: one file for each image source."""
    place = hashlib.blake2b(source.identity.encode(), digest_size=8).hexdigest()
    return cache_dir / "image-states" / f"{dataset_digest}-{place}-v{FORMAT}.bin"


def _open_existing(file: Path, refusal: OSError) -> int:
    """Return a descriptor for reading. Raises the refusal to open the file for writing, which tells more."""
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise refusal from None


def _checksum(row: bytes, index: int) -> int:
    return xxhash.xxh3_64_intdigest(row[: _NUMBERS.size], index) or 1  # no row of zeros is valid
