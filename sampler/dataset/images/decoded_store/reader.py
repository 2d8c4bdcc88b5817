"""Reading decoded images from a store instead of decoding them: a sample then costs little more than its crop."""

import mmap
import os
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.images.decoded_store.format import (
    DECODED,
    FILE_SIZE,
    FILE_VERSION,
    FORMAT,
    META,
    PAGE,
    PIXELS,
    RECORDS,
    START,
    STATE,
    StoreMeta,
    check_meta,
    map_records,
)
from sampler.errors import StoreError


class DecodedStore:
    """The decoded images of a dataset, memory-mapped and shared by all processes of a host. Opening reads no pixels.

    The store does not look at the image files again. `recorded` is for those who want to check some of them.
    """

    def __init__(self, folder: Path, meta: StoreMeta) -> None:
        """Open the store in `folder`. Raises StoreError if it is damaged, incomplete or of something else."""
        self.folder = folder
        try:
            check_meta(folder, meta)
            if not (folder / RECORDS).exists():
                raise StoreError(folder, "is incomplete; run python -m sampler decode to complete it")
            # Pixels first: then the records cannot belong to an older store in the same place.
            self._descriptor = os.open(folder / PIXELS, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._descriptor)  # the mapping lives as long as views of it
            self._records = map_records(folder / RECORDS, meta.images)
            self._pixels = self._map()
        except (OSError, EOFError, ValueError) as error:
            raise StoreError(folder, f"is damaged: {error}; run python -m sampler decode to repair it") from error
        self._probe = [bytearray(1)] if hasattr(os, "RWF_NOWAIT") else None

    @property
    def nbytes(self) -> int:
        """Length of the mapped pixels in bytes."""
        return int(self._records[-1, START])

    @property
    def absent(self) -> int:
        """Number of images that are not in the store because they could not be decoded."""
        return int(self._records[-1, FILE_SIZE])

    def recorded(self, count: int) -> list[tuple[int, tuple[int, int]]]:
        """Return index and recorded `image_state` of up to `count` stored images, evenly spread."""
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        chosen = decoded[np.linspace(0, len(decoded) - 1, min(count, len(decoded))).astype(np.intp)]
        states = self._records[chosen, FILE_SIZE : FILE_VERSION + 1].tolist()
        return [(index, (size, version)) for index, (size, version) in zip(chosen.tolist(), states, strict=True)]

    def pixels(self, index: int, height: int, width: int) -> npt.NDArray[np.uint8] | None:
        """Return an image of annotated size as (height, width, 3) uint8 BGR, a read-only view of the store.

        None if the image is not stored or its record is damaged.
        """
        start, _, _, state = self._records[index].tolist()
        length = height * width * 3
        if state != DECODED or not 0 <= start <= self.nbytes - length:
            return None
        if self._probe is not None:
            self._prefetch(self._probe, start, length)
        return np.ndarray((height, width, 3), np.uint8, self._pixels, start)

    def _prefetch(self, probe: list[bytearray], start: int, length: int) -> None:
        """Read pixels that are not in memory in one go instead of one page fault after another.

        For pixels in memory `madvise` costs more than the faults would, so reading one byte tells first.
        """
        try:
            os.preadv(self._descriptor, probe, start + length // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            begin = start - start % mmap.PAGESIZE  # pages of memory may be larger than PAGE
            self._pixels.madvise(mmap.MADV_WILLNEED, begin, start + length - begin)
        except OSError:  # the file system does not support RWF_NOWAIT
            self._probe = None

    def _map(self) -> mmap.mmap:
        end, length = self.nbytes, os.fstat(self._descriptor).st_size
        if not 0 <= end <= length:
            raise ValueError(f"{PIXELS} is truncated: {length} bytes, expected {end}")
        if end == 0:  # no image could be decoded, and an empty file cannot be mapped
            return mmap.mmap(-1, PAGE)
        return mmap.mmap(self._descriptor, end, mmap.MAP_SHARED, mmap.PROT_READ)


def find_store(cache_dir: Path, meta: StoreMeta) -> DecodedStore | None:
    """Return the store of a dataset or None. Raises StoreError if it is damaged, of another version or other images."""
    folder = meta.folder(cache_dir)
    if (folder / META).exists() or (folder / RECORDS).exists():
        return DecodedStore(folder, meta)
    others = sorted(file.parent for file in folder.parent.glob(f"{meta.digest}-*[0-9]/{META}"))
    if not others:
        return None
    if others[0].name.endswith(f"-v{FORMAT}"):
        cause = f"is of other images than those in {meta.source}; run python -m sampler decode to decode these"
        raise StoreError(others[0], cause)
    raise StoreError(others[0], f"is of another version, expected v{FORMAT}; run python -m sampler decode")
