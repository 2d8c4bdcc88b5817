"""A bounded memory of decoded images that all workers of a host share: what one has decoded, the others need not.

It is one file in memory, of fixed size:

    (64, 8) int64     row 0: where the next image goes, number of slots; the others count hits and misses by process
    (S,) int64        slot i mod S: where image i was put, or 0
    the ring          images, each behind its header of 4 uint64: index, place, length in bytes, XXH3-64 of its pixels

Places only grow; a place lies in the ring at its remainder by the ring's length, so that new images overwrite the
oldest. Once the ring is full, only one image of many is put in: an epoch comes back to each image after all the others,
so whatever put all of them in would have overwritten nearly every image before it is needed again.

Nobody ever waits, and a process may be killed at any instruction: what is found counts only if header and sum agree
with the pixels, so an image that is half-written, overwritten or misplaced is an image that is not there.
"""

import contextlib
import fcntl
import mmap
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

MEGABYTE = 1 << 20

_ALIGNMENT = 64
_HEADER_BYTES = 4 * 8
_ROWS, _COLUMNS = 64, 8
_NEXT, _SLOTS = 0, 1
_HITS, _MISSES = 0, 1
_FRONT = _ROWS * _COLUMNS * 8

_RENEWAL = 17
"""Of so many images that are not there, one is put in once the ring is full. A prime, to go through any cycle."""

_ATTEMPTS = 64
"""How often the lock is tried, some 0.1 ms in all; a process holds it for a few microseconds."""

_BYTES_OF_A_SLOT = 1 << 14
"""There is a slot for so many bytes of the ring: some 60 for an image of COCO, so that few images share one."""


class PixelCache:
    """Decoded images by index. It belongs to one dataset, as indices do; one thread of a process uses it at a time.

    Pickles as the address of its memory, which processes of the same user can open while its maker has it open.
    """

    def __init__(self, address: str, descriptor: int | None = None) -> None:
        """Open the memory at an address that `create` made. Raises OSError."""
        self.address = address
        self._descriptor = os.open(address, os.O_RDWR | os.O_CLOEXEC) if descriptor is None else descriptor
        self._release = weakref.finalize(self, _release, self._descriptor, None if descriptor is None else address)
        total = os.fstat(self._descriptor).st_size
        with mmap.mmap(self._descriptor, _FRONT) as front:
            slots = int(np.frombuffer(bytes(front), np.int64)[_SLOTS])
        self._begin = _begin_of_ring(slots)
        self._length = (total - self._begin) // _ALIGNMENT * _ALIGNMENT
        memory = np.frombuffer(mmap.mmap(self._descriptor, self._begin), np.int64)
        self._front = memory[: _ROWS * _COLUMNS].reshape(_ROWS, _COLUMNS)
        self._slots = memory[_ROWS * _COLUMNS :][:slots]
        self._turn = 0
        self._counts = self._front[1 + os.getpid() % (_ROWS - 1)]

    @classmethod
    def create(cls, megabytes: int, images: int) -> "PixelCache":
        """Make an empty cache of `megabytes` (2²⁰ bytes) for a dataset of N `images`. Raises OSError."""
        total = megabytes * MEGABYTE
        slots = min(images, max(256, total // _BYTES_OF_A_SLOT))
        front = np.zeros(_COLUMNS, np.int64)
        front[[_NEXT, _SLOTS]] = _ALIGNMENT, slots
        descriptor, address = _shared_memory()
        try:
            os.ftruncate(descriptor, total)
            os.pwrite(descriptor, front.tobytes(), 0)
        except BaseException:
            _release(descriptor, address)
            raise
        return cls(address, descriptor)

    def __reduce__(self) -> tuple[type["PixelCache"], tuple[str]]:
        return PixelCache, (self.address,)

    @property
    def nbytes(self) -> int:
        """Bytes of pixels that fit, headers included; the memory never grows beyond these and the slots."""
        return self._length

    @property
    def hits(self) -> int:
        """How often any process has found an image. Approximate where many processes count at once."""
        return int(self._front[1:, _HITS].sum())

    @property
    def misses(self) -> int:
        """How often any process has not found an image. Approximate where many processes count at once."""
        return int(self._front[1:, _MISSES].sum())

    def find(self, index: int, height: int, width: int) -> npt.NDArray[np.uint8] | None:
        """(height, width, 3) uint8 BGR, the caller's own; None when image `index` is not there."""
        place = int(self._slots[index % len(self._slots)])
        if place:
            header, pixels = np.zeros(4, np.uint64), np.empty((height, width, 3), np.uint8)
            os.preadv(self._descriptor, [header.data, pixels.data], self._begin + place % self._length)
            if header[:3].tolist() == [index, place, pixels.nbytes] and int(header[3]) == _sum(pixels):
                self._counts[_HITS] += 1
                return pixels
        self._counts[_MISSES] += 1
        return None

    def keep(self, index: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Put an image in, if it is its turn, over the oldest ones; not if it is larger than the cache."""
        size = -(-(_HEADER_BYTES + pixels.nbytes) // _ALIGNMENT) * _ALIGNMENT
        place = self._reserve(size) if size <= self._length and self._due() else None
        if place is None:
            return
        header = np.array([index, place, pixels.nbytes, _sum(pixels)], np.uint64)
        try:
            os.pwritev(self._descriptor, [header.data, pixels.data], self._begin + place % self._length)
        except OSError:
            return  # the system has no memory left for it: the image is decoded again when it is needed again
        self._slots[index % len(self._slots)] = place

    def close(self) -> None:
        """End this process's use; the maker's end is the end of the address. Others keep what they have open."""
        self._release()

    def _due(self) -> bool:
        """Whether it is the next image's turn: always while there is room, then once in a while."""
        if self._front[0, _NEXT] < self._length:
            return True
        self._turn = (self._turn + 1) % _RENEWAL
        return self._turn == 0

    def _reserve(self, size: int) -> int | None:
        """A place of `size` bytes that does not wrap around; None when another process does not let go of the lock."""
        if not self._locked():
            return None
        try:
            place = int(self._front[0, _NEXT])
            if place % self._length + size > self._length:
                place += self._length - place % self._length
            self._front[0, _NEXT] = place + size
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return place

    def _locked(self) -> bool:
        """Take the lock, which goes with its process. It is not waited for, lest one that was stopped stop them all."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):  # held by another process
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        return False


def _release(descriptor: int, made: str | None) -> None:
    """Close the memory, and remove its file if this process made one."""
    os.close(descriptor)
    if made is not None and not made.startswith("/proc/"):
        Path(made).unlink(missing_ok=True)


def _begin_of_ring(slots: int) -> int:
    return -(-(_FRONT + 8 * slots) // mmap.PAGESIZE) * mmap.PAGESIZE


def _sum(pixels: npt.NDArray[np.uint8]) -> int:
    return xxhash.xxh3_64_intdigest(pixels.data)


def _shared_memory() -> tuple[int, str]:
    """A descriptor of empty memory, and the address under which other processes open it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("decoded-images")
        address = f"/proc/{os.getpid()}/fd/{descriptor}"
        if Path(address).exists():
            return descriptor, address
        os.close(descriptor)
    return tempfile.mkstemp(prefix="saccade-sampler-decoded-")
