"""A bounded cache of decoded images in shared memory: an image that one worker decodes, the others need not.

The memory has a fixed size and this layout:

    (64, 8) int64     row 0: next position, number of slots; other rows: hits and misses, spread over processes
    (S,) int64        slot i mod S: position of image i, or 0
    ring              images, each after its header of 4 uint64: index, position, length in bytes, XXH3-64 of the pixels

Positions only grow. An image is in the ring at its position modulo the length of the ring, so new images overwrite the
oldest. Once the ring is full, only one image in many is admitted: an epoch returns to an image after all others, so
admitting every image would overwrite nearly all of them before their next use.

Readers take no lock, and a process may be killed at any instruction. An image is found only if its header and checksum
match, so an image that is half written, overwritten or misplaced counts as a miss.
"""

import contextlib
import fcntl
import mmap
import os
import weakref
from dataclasses import dataclass
from time import sleep

import numpy as np
import numpy.typing as npt
import xxhash

from sampler.memory.shared_memory import create_shared_memory

MEGABYTE = 1 << 20

_ALIGNMENT = 64
_HEADER_BYTES = 4 * 8
_ROWS, _COLUMNS = 64, 8
_NEXT, _SLOTS = 0, 1
_HITS, _MISSES = 0, 1
_TABLE_BYTES = _ROWS * _COLUMNS * 8

_ADMISSION = 17
"""Once the ring is full, one miss of so many is admitted. A prime, so that no periodic order starves an image."""

_ATTEMPTS = 64
"""How often the lock is tried at once, 0.1 ms in all; a process holds it for a few microseconds."""

_PAUSES, _PAUSE_SECONDS = 100, 0.001
"""Pauses, 0.1 s in all, for a process that was suspended while it held the lock. Meanwhile it gets a CPU."""

_BYTES_PER_SLOT = 1 << 14
"""Bytes of the ring for each slot: about 60 slots for each COCO image, so that few images share one."""


class ImageCache:
    """Decoded images by number. Not thread-safe: each process uses it from one thread at a time.

    The number of an image is its index in its dataset; with several datasets, see `ImageCachePart`.

    Attributes:
        descriptor: File descriptor of the memory, for a child process to inherit and open.
        nbytes: Bytes available for images and their headers.
    """

    def __init__(self, descriptor: int) -> None:
        """Open a cache that `create` made in this or the parent process. Owns its descriptor. Raises OSError."""
        total = os.fstat(descriptor).st_size
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        with mmap.mmap(descriptor, _TABLE_BYTES) as table:
            slots = int(np.frombuffer(bytes(table), np.int64)[_SLOTS])
        self._ring = -(-(_TABLE_BYTES + 8 * slots) // mmap.PAGESIZE) * mmap.PAGESIZE
        self.nbytes: int = (total - self._ring) // _ALIGNMENT * _ALIGNMENT
        memory = np.frombuffer(mmap.mmap(self.descriptor, self._ring), np.int64)
        self._table = memory[: _ROWS * _COLUMNS].reshape(_ROWS, _COLUMNS)
        self._slots = memory[_ROWS * _COLUMNS :][:slots]
        self._turn = 0
        self._pauses = True
        self._counts = self._table[1 + os.getpid() % (_ROWS - 1)]

    @classmethod
    def create(cls, megabytes: int, images: int) -> "ImageCache":
        """Create an empty cache of `megabytes` (2²⁰ bytes) for `images` images. Raises OSError."""
        total = megabytes * MEGABYTE
        slots = min(images, max(256, total // _BYTES_PER_SLOT))
        table = np.zeros(_COLUMNS, np.int64)
        table[[_NEXT, _SLOTS]] = _ALIGNMENT, slots
        descriptor = create_shared_memory(total)
        try:
            os.pwrite(descriptor, table.tobytes(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @property
    def hits(self) -> int:
        """Images found, by all processes. Approximate while many processes count at once."""
        return int(self._table[1:, _HITS].sum())

    @property
    def misses(self) -> int:
        """Images not found, by all processes. Approximate while many processes count at once."""
        return int(self._table[1:, _MISSES].sum())

    def get(self, index: int, height: int, width: int) -> npt.NDArray[np.uint8] | None:
        """Return a copy of an image as (height, width, 3) uint8 BGR, or None if it is not cached."""
        position = int(self._slots[index % len(self._slots)])
        if position:
            header, pixels = np.zeros(4, np.uint64), np.empty((height, width, 3), np.uint8)
            os.preadv(self.descriptor, [header.data, pixels.data], self._ring + position % self.nbytes)
            if header[:3].tolist() == [index, position, pixels.nbytes] and int(header[3]) == _checksum(pixels):
                self._counts[_HITS] += 1
                return pixels
        self._counts[_MISSES] += 1
        return None

    def has(self, index: int) -> bool:
        """Return whether an image is cached. It may be overwritten before it is read, and is not counted here."""
        position = int(self._slots[index % len(self._slots)])
        if not position:
            return False
        header = np.zeros(2, np.uint64)
        os.preadv(self.descriptor, [header.data], self._ring + position % self.nbytes)
        return bool(header.tolist() == [index, position])

    def put(self, index: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Store an image if it is admitted and fits, over the oldest ones."""
        if self.admits(pixels.nbytes):
            self.store(index, pixels)

    def admits(self, nbytes: int) -> bool:
        """Return whether the next image, of `nbytes` bytes of pixels, is to be stored. Each call is about an image."""
        return _ring_bytes(nbytes) <= self.nbytes and self._is_admitted()

    def store(self, index: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Store an image that was admitted, over the oldest ones."""
        position = self._reserve(_ring_bytes(pixels.nbytes))
        if position is None:
            return
        header = np.array([index, position, pixels.nbytes, _checksum(pixels)], np.uint64)
        try:
            os.pwritev(self.descriptor, [header.data, pixels.data], self._ring + position % self.nbytes)
        except OSError:
            return  # the system is out of memory: the image is decoded again next time
        self._slots[index % len(self._slots)] = position

    def _is_admitted(self) -> bool:
        if self._table[0, _NEXT] < self.nbytes:
            return True
        self._turn = (self._turn + 1) % _ADMISSION
        return self._turn == 0

    def _reserve(self, size: int) -> int | None:
        """Return a position with `size` bytes up to the end of the ring, or None if the lock is taken."""
        if not self._locked():
            return None
        try:
            position = int(self._table[0, _NEXT])
            if position % self.nbytes + size > self.nbytes:
                position += self.nbytes - position % self.nbytes
            self._table[0, _NEXT] = position + size
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
        return position

    def _locked(self) -> bool:
        """Take the lock, or return False if another process holds it for long.

        The lock is released when its process ends. If that process is stopped, the others pause for it once each.
        """
        if any(self._tried() for _ in range(_ATTEMPTS)):
            self._pauses = True
            return True
        if self._pauses:
            self._pauses = any(self._tried_after_pause() for _ in range(_PAUSES))
        return self._pauses

    def _tried_after_pause(self) -> bool:
        sleep(_PAUSE_SECONDS)
        return self._tried()

    def _tried(self) -> bool:
        with contextlib.suppress(OSError):  # held by another process
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


@dataclass(frozen=True, slots=True)
class ImageCachePart:
    """The images of one dataset in a cache that several share. first: number of its image 0 in the cache."""

    cache: ImageCache
    first: int = 0

    def get(self, index: int, height: int, width: int) -> npt.NDArray[np.uint8] | None:
        """Return a copy of an image as (height, width, 3) uint8 BGR, or None if it is not cached."""
        return self.cache.get(self.first + index, height, width)

    def has(self, index: int) -> bool:
        """Return whether an image is cached."""
        return self.cache.has(self.first + index)

    def admits(self, nbytes: int) -> bool:
        """Return whether the next image, of `nbytes` bytes of pixels, is to be stored. Each call is about an image."""
        return self.cache.admits(nbytes)

    def store(self, index: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Store an image that was admitted, over the oldest ones."""
        self.cache.store(self.first + index, pixels)


def _ring_bytes(nbytes: int) -> int:
    """Return the bytes of the ring that an image takes with its header."""
    return -(-(_HEADER_BYTES + nbytes) // _ALIGNMENT) * _ALIGNMENT


def _checksum(pixels: npt.NDArray[np.uint8]) -> int:
    return xxhash.xxh3_64_intdigest(pixels.data)
