"""Reading decoded images from a store instead of decoding them: a sample then costs little more than its crop."""

import mmap
import os
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.images.decoded_store.blocks import (
    BLOCK,
    BROKEN,
    SOUND,
    UNCHECKED,
    BlockStates,
    block_checksum,
    block_count,
    blocks_of_rows,
    checksums_start,
)
from sampler.dataset.images.decoded_store.contents import check_files, find_folder, unusable
from sampler.dataset.images.decoded_store.format import (
    ANY_FILE,
    CHECK,
    DECODED,
    FILE_SIZE,
    FIRST_BLOCK,
    PAGE,
    PIXELS,
    RECORDS,
    ROW_BYTES,
    START,
    STATE,
    ExpectedFile,
    StoreMeta,
    checksum_of,
    is_inside,
    load_records,
)


class DecodedStore:
    """The decoded images of a dataset, memory-mapped and shared by all processes of a host. Opening reads no pixels.

    Blocks of pixels are compared with their checksums when they are first used. The store does not look at the image
    files.

    Attributes:
        folder: The folder of the store.
        inode: Identity of the file of pixels.
        nbytes: Length of the mapped pixels in bytes.
        report: Called with the index of an image whose pixels or record turn out to be damaged.
    """

    def __init__(
        self,
        folder: Path,
        meta: StoreMeta,
        states: BlockStates | None = None,
        report: Callable[[int], None] | None = None,
    ) -> None:
        """Open the store in `folder`.

        Args:
            folder: The folder of the store.
            meta: The dataset that the store must belong to.
            states: Which blocks were checked before, by other processes too; by default none.
            report: See the attribute.

        Raises:
            StoreError: The store is damaged, incomplete or of something else.
        """
        self.folder = folder
        self.report = report
        try:
            check_files(folder, meta)
            # Pixels first: then the records cannot belong to an older store in the same place.
            self._descriptor = os.open(folder / PIXELS, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._descriptor)  # the mapping lives as long as views of it
            self._records = load_records(folder / RECORDS, meta.images, mapped=True)
            self._record_bytes = self._records.data.cast("B")
            self.nbytes: int = int(self._records[-1, START])
            self._last = self.nbytes, self.blocks
            self._pixels = self._map()
        except (OSError, EOFError, ValueError) as error:
            raise unusable(folder, error) from error
        self.inode: int = os.fstat(self._descriptor).st_ino
        self._states = bytearray(self.blocks) if states is None else states
        self._bytes = memoryview(self._pixels)
        self._probe = [bytearray(1)] if hasattr(os, "RWF_NOWAIT") else None

    @property
    def blocks(self) -> int:
        """Number of blocks of all images."""
        return int(self._records[-1, FIRST_BLOCK])

    @property
    def absent(self) -> int:
        """Number of images that are not in the store because they could not be decoded."""
        return int(self._records[-1, FILE_SIZE])

    def has(self, index: int, expected: ExpectedFile = ANY_FILE) -> bool:
        """Return whether an image is stored, without a look at its pixels. expected: see `pixels`."""
        row: list[int] = self._records[index].tolist()
        return row[STATE] == DECODED and expected.matches(row)

    def pixels(
        self,
        index: int,
        height: int,
        width: int,
        rows: tuple[int, int] | None = None,
        expected: ExpectedFile = ANY_FILE,
    ) -> npt.NDArray[np.uint8] | None:
        """Return an image of annotated size as (height, width, 3) uint8 BGR, a read-only view of the store.

        Args:
            index: Index of the image.
            height: Annotated height in pixels.
            width: Annotated width in pixels.
            rows: [start, stop), the rows that must not be damaged; all by default.
            expected: The file that the image must have been decoded from; any by default.

        Returns:
            None if the image is not stored, was decoded from another file than expected, or is damaged.
        """
        row: list[int] = self._records[index].tolist()
        start, length = row[START], height * width * 3
        if row[STATE] != DECODED or not expected.matches(row):
            return None
        own = self._record_bytes[index * ROW_BYTES : (index + 1) * ROW_BYTES]
        if row[CHECK] != checksum_of(own, index) or not is_inside(start, row[FIRST_BLOCK], length, self._last):
            self._damaged(index)
            return None
        first, last = blocks_of_rows((0, height) if rows is None else rows, 3 * width)
        if self._probe is not None and first < last:
            self._prefetch(self._probe, start + first * BLOCK, min((last - first) * BLOCK, length - first * BLOCK))
        if not self._is_sound(index, row, length, first, last):
            return None
        return np.ndarray((height, width, 3), np.uint8, self._pixels, start)

    def _is_sound(self, index: int, row: list[int], length: int, first: int, last: int) -> bool:
        """Return whether the blocks [first, last) of an image are undamaged. Reads those not checked before."""
        begin, end = row[FIRST_BLOCK] + first, row[FIRST_BLOCK] + last
        states = self._states[begin:end]
        if states.count(SOUND) == last - first:
            return True
        if BROKEN in states:  # the process that found it may have ended before its report arrived
            self._damaged(index)
            return False
        pixels = self._bytes[row[START] : row[START] + length]
        start = row[START] + checksums_start(length)
        checksums = np.frombuffer(self._bytes, "<u8", block_count(length), start)[first:last].tolist()
        sound = True
        for place, (state, checksum) in enumerate(zip(states, checksums, strict=True)):
            if state == UNCHECKED:
                matches = block_checksum(pixels, index, first + place) == checksum
                self._states[begin + place] = SOUND if matches else BROKEN
                sound = sound and matches
        if not sound:
            self._damaged(index)
        return sound

    def _damaged(self, index: int) -> None:
        if self.report is not None:
            self.report(index)

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
    folder = find_folder(cache_dir, meta)
    return None if folder is None else DecodedStore(folder, meta)
