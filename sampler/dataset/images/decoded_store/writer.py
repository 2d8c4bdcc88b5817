"""Decoding a whole dataset into a store. An interrupted run can be resumed.

A record is marked as decoded only once its pixels are on disk. If a writer is killed, the next one decodes again what
was in progress and resumes from there.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from sampler.atomic_write import DRAFT_SUFFIX, atomic_write, atomic_writer, sync_folder
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.format import (
    ABSENT,
    DECODED,
    FILE_SIZE,
    FILE_VERSION,
    META,
    NOWHERE,
    PAGE,
    PART,
    PENDING,
    PIXELS,
    RECORDS,
    START,
    STATE,
    Records,
    check_meta,
    image_state,
    map_records,
)
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import ImageError, StoreError

CHECKPOINT_BYTES = 1 << 28
"""Most bytes of pixels between two checkpoints, which are lost if the writer is killed."""

CHECKPOINT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image that was decoded and written, or the error why not; `state` is its `image_state` before reading."""

    index: int
    nbytes: int
    state: tuple[int, int]
    error: ImageError | None = None


class StoreWriter:
    """Writes the store of a dataset; `open_writer` makes one and holds its lock.

    Attributes:
        folder: The folder of the store.
        todo: (K,) int64, ascending: images that were never decoded, have changed since, or failed before.
        changed: (J,) int64, ascending: those of `todo` that were decoded and have changed.
    """

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        """Read existing records, and the state of every image file that was decoded. Raises OSError."""
        self.folder = folder
        self._dataset = dataset
        pixels = dataset.sizes.astype(np.int64).prod(axis=1)
        # Images beyond the pixel limit always fail, so they need no space.
        self._space = np.where(pixels <= dataset.max_pixels, -(-pixels * 3 // PAGE) * PAGE, 0)
        committed, part = (_usable_records(folder, name, dataset) for name in (RECORDS, PART))
        known = committed if part is None else part
        self._unusable = [
            name for name, records in ((RECORDS, committed), (PART, part), (PIXELS, known)) if records is None
        ]
        self._records = _new_records(len(dataset)) if known is None else known.copy()
        self.changed = self._changed()
        self._records[self.changed, STATE] = PENDING
        self.todo = np.flatnonzero(self._records[:-1, STATE] != DECODED)
        if committed is not None:
            self._abandon(committed)
        self._allocate()

    @property
    def needed(self) -> int:
        """Bytes of disk space that the images of `todo` need."""
        return int(self._space[self.todo].sum())

    @property
    def nbytes(self) -> int:
        """Bytes of disk space of the whole store, abandoned space included."""
        return int(self._records[-1, START])

    @property
    def decoded(self) -> int:
        """Number of images that are stored."""
        return int(np.count_nonzero(self._records[:-1, STATE] == DECODED))

    def run(self, jobs: int, advance: Callable[[DecodedImage], None]) -> list[ImageError]:
        """Decode `todo`, `jobs` images at once, and complete the store. Return the errors of undecodable images.

        Calls `advance` after each image. Raises OSError if the store cannot be written; images decoded so far are kept.
        """
        if not len(self.todo):
            return []
        self._begin()
        with (self.folder / PIXELS).open("r+b") as pixels, (self.folder / PART).open("r+b") as part:
            errors = self._decode(pixels.fileno(), part.fileno(), jobs, advance)
        (self.folder / PART).rename(self.folder / RECORDS)
        sync_folder(self.folder)
        return errors

    def _changed(self) -> npt.NDArray[np.int64]:
        """Return the decoded images whose file has another state now."""
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        states = [image_state(self._dataset.images, self._dataset.file_name(index)) for index in decoded.tolist()]
        recorded = self._records[decoded, FILE_SIZE : FILE_VERSION + 1]
        differs = (np.array(states, np.int64).reshape(-1, 2) != recorded).any(axis=1)
        return np.asarray(decoded[differs], np.int64)

    def _abandon(self, committed: Records) -> None:
        """Give up the space of images to be decoded again if a reader may have them mapped."""
        visible = committed[self.todo, STATE] == DECODED
        same_place = committed[self.todo, START] == self._records[self.todo, START]
        self._records[self.todo[visible & same_place], START] = NOWHERE

    def _allocate(self) -> None:
        """Append space for images within the pixel limit that have none."""
        placed = self.todo[(self._records[self.todo, START] == NOWHERE) & (self._space[self.todo] > 0)]
        ends = self.nbytes + np.cumsum(self._space[placed])
        self._records[placed, START] = ends - self._space[placed]
        self._records[-1, START] += int(self._space[placed].sum())

    def _begin(self) -> None:
        """Write what the next run needs to resume this one, after removing files that are of no use to it."""
        for leftover in (*self._unusable, *(draft.name for draft in self.folder.glob(f".*{DRAFT_SUFFIX}"))):
            (self.folder / leftover).unlink(missing_ok=True)
        atomic_write(self.folder / META, msgspec.json.encode(self._dataset.store_meta), durable=True)
        with (self.folder / PIXELS).open("ab") as stream:
            if stream.tell() < self.nbytes:
                stream.truncate(self.nbytes)
        with atomic_writer(self.folder / PART) as part:
            np.lib.format.write_array_header_1_0(part, np.lib.format.header_data_from_array_1_0(self._records))
            part.write(self._records.data.cast("B"))

    def _decode(self, pixels: int, part: int, jobs: int, advance: Callable[[DecodedImage], None]) -> list[ImageError]:
        pending: list[DecodedImage] = []
        errors: list[ImageError] = []
        nbytes, since = 0, time.monotonic()
        try:
            images = parallel_map(partial(self._write, pixels), self.todo.tolist(), jobs, window=2 * jobs)
            with closing(images):  # no thread may write once this block has ended
                for image in images:
                    pending.append(image)
                    if image.error is not None:
                        errors.append(image.error)
                    advance(image)
                    nbytes += image.nbytes
                    if nbytes > CHECKPOINT_BYTES or time.monotonic() - since > CHECKPOINT_SECONDS:
                        self._checkpoint(pixels, part, pending)
                        nbytes, since = 0, time.monotonic()
        finally:
            self._checkpoint(pixels, part, pending)
        return errors

    def _write(self, pixels: int, index: int) -> DecodedImage:
        # The state comes first: if the file changes while it is read, the next run decodes it again.
        state = image_state(self._dataset.images, self._dataset.file_name(index))
        try:
            image = self._dataset.read(index)
        except ImageError as error:
            return DecodedImage(index, 0, state, error)
        offset, rest = int(self._records[index, START]), image.data.cast("B")
        while rest:
            count = os.pwrite(pixels, rest, offset)
            offset, rest = offset + count, rest[count:]
        return DecodedImage(index, image.nbytes, state)

    def _checkpoint(self, pixels: int, part: int, pending: list[DecodedImage]) -> None:
        """Flush pixels to disk, then mark their images as decoded. Empties `pending`."""
        os.fsync(pixels)
        for image in pending:
            state = DECODED if image.error is None else ABSENT
            self._records[image.index, FILE_SIZE:] = *image.state, state
        self._records[-1, FILE_SIZE] = np.count_nonzero(self._records[:-1, STATE] == ABSENT)
        header = os.fstat(part).st_size - self._records.nbytes
        for row in (*(image.index for image in pending), len(self._records) - 1):
            os.pwrite(part, self._records[row].tobytes(), header + row * self._records[row].nbytes)
        os.fsync(part)
        pending.clear()


@contextmanager
def open_writer(
    dataset: Dataset, cache_dir: Path, force: bool = False, report: Callable[[str], None] | None = None
) -> Iterator[StoreWriter]:
    """Yield the writer of a dataset's store and hold the store's lock meanwhile.

    `force` decodes all images again. Raises StoreError if another process is writing the store or it cannot be written.
    """
    folder = dataset.store_meta.folder(cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=0):
            # Records first, so that an interrupted removal leaves no usable store.
            for name in (RECORDS, PART, PIXELS, META) if force else ():
                (folder / name).unlink(missing_ok=True)
            if report is not None:
                report("comparing the image files with the store")
            yield StoreWriter(folder, dataset.with_decoded())  # from the files, not from an earlier store
    except Timeout as error:
        raise StoreError(folder, "another process is decoding this dataset; wait until it has finished") from error
    except OSError as error:
        cause = f"cannot be written: {error.strerror or error}; make space or set another cache folder"
        raise StoreError(folder, f"{cause} (SAMPLER_CACHE_DIR); images decoded so far are kept") from error


def _usable_records(folder: Path, name: str, dataset: Dataset) -> Records | None:
    """Return the records of an earlier run, or None if they are missing, damaged or of something else."""
    try:
        check_meta(folder, dataset.store_meta)
        records = map_records(folder / name, len(dataset))
        if (folder / PIXELS).stat().st_size < records[-1, START]:
            return None
    except (OSError, EOFError, ValueError):
        return None
    return records


def _new_records(images: int) -> Records:
    """Return records of images that are all pending and have no space."""
    records = np.zeros((images + 1, 4), "<i8")
    records[:-1, START] = NOWHERE
    records[-1, STATE] = DECODED
    return records.view(np.int64)
