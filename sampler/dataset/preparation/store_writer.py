"""Decoding a whole dataset into a store. An interrupted run can be resumed.

A record is marked as decoded only once its pixels are on disk. If a writer is killed, the next one decodes again what
was in progress and resumes from there.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from sampler.atomic_write import DRAFT_SUFFIX, atomic_write, atomic_writer, sync_folder
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.blocks import all_checksums, block_count, checksums_start, stored_bytes
from sampler.dataset.images.decoded_store.check import broken_images
from sampler.dataset.images.decoded_store.format import (
    ABSENT,
    CHECK,
    COLUMNS,
    DECODED,
    FILE_SIZE,
    FILE_VERSION,
    FIRST_BLOCK,
    HASH_HIGH,
    HASH_LOW,
    META,
    NO_FILE,
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
    image_states,
    load_records,
    row_checksum,
)
from sampler.dataset.images.hashes import UNREADABLE, Hash
from sampler.dataset.images.presence import require_images
from sampler.dataset.images.reading_ahead import reading_ahead
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import ImageError, StoreError
from sampler.progress import Advance, progress_bar
from sampler.system_errors import explain, is_of_the_file

CHECKPOINT_BYTES = 1 << 28
"""Most bytes of pixels between two checkpoints, which are lost if the writer is killed."""

CHECKPOINT_SECONDS = 5.0


ShowProgress = Callable[[str, int], AbstractContextManager[Advance]]
"""Shows the progress of a task, given its title and number of items; see `sampler.progress.progress_bar`."""


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image that was decoded and written, or the error why not.

    Attributes:
        index: Index of the image.
        nbytes: Bytes of its pixels.
        state: Its `image_state` before reading.
        hash: Hash of its file.
        error: Why it could not be decoded.
    """

    index: int
    nbytes: int
    state: tuple[int, int]
    hash: Hash = UNREADABLE
    error: ImageError | None = None


class StoreWriter:
    """Writes the store of a dataset; `open_writer` makes one and holds its lock.

    Attributes:
        folder: The folder of the store.
        todo: (K,) int64, ascending: images that were never decoded, have changed since, failed before or are damaged.
        changed: (J,) int64, ascending: those of `todo` that were decoded from another file than the one there is now.
        broken: (L,) int64, ascending: those of `todo` whose pixels or record in the store are damaged.
    """

    def __init__(self, folder: Path, dataset: Dataset, jobs: int, show: ShowProgress) -> None:
        """Read and check an existing store, and the state of every image file that was decoded.

        Raises:
            ImageSourceError: Images are stored, but none of their files can be found.
            OSError: The store cannot be read or written.
        """
        self.folder = folder
        self._dataset = dataset.with_decoded()
        self._dataset.options = replace(dataset.options, damaged="refuse")
        pixels = dataset.sizes.astype(np.int64).prod(axis=1)
        # Images beyond the pixel limit always fail, so they need no space.
        small = pixels <= dataset.max_pixels
        self._space = np.where(small, -(-stored_bytes(pixels * 3) // PAGE) * PAGE, 0)
        self._blocks = np.where(small, block_count(pixels * 3), 0)
        committed, part = (_usable_records(folder, name, dataset) for name in (RECORDS, PART))
        known = committed if part is None else part
        self._unusable = [
            name for name, records in ((RECORDS, committed), (PART, part), (PIXELS, known)) if records is None
        ]
        self._records = _new_records(len(dataset)) if known is None else known.copy()
        self._record_states()
        self.changed = self._changed()
        self.broken = self._broken(jobs, show)
        self._records[self.changed, STATE] = PENDING
        self._records[self.broken, STATE] = PENDING
        self._records[self.broken, START] = NOWHERE  # the place itself may be what is damaged
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

    def run(self, jobs: int, advance: Callable[[WrittenImage], None]) -> list[ImageError]:
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

    def _record_states(self) -> None:
        """Record from which states of objects the images were decoded, so that no others are used beside them."""
        stamps = self._dataset.stamps
        if stamps is None or self._dataset.hashes is not None:
            return
        for index in np.flatnonzero(self._records[:-1, STATE] == DECODED).tolist():
            size, version = self._records[index, FILE_SIZE : FILE_VERSION + 1].tolist()
            stamps.record_decoded(index, (size, version))

    def _changed(self) -> npt.NDArray[np.int64]:
        """Return the decoded images whose file has another state now."""
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        images, names = self._dataset.images, [self._dataset.file_name(index) for index in decoded.tolist()]
        states = np.array(image_states(images, names), np.int64).reshape(-1, 2)
        found = (states != NO_FILE).any(axis=1)
        require_images(self._dataset, images, decoded, found, "restore the folder, or decode all images with --force")
        differs = (states != self._records[decoded, FILE_SIZE : FILE_VERSION + 1]).any(axis=1)
        if self._dataset.hashes is not None:
            stored = self._records[decoded, HASH_HIGH : HASH_LOW + 1].view(np.uint64)
            differs |= (stored != self._dataset.hashes.rows[decoded]).any(axis=1)
        return np.asarray(decoded[differs], np.int64)

    def _broken(self, jobs: int, show: ShowProgress) -> npt.NDArray[np.int64]:
        """Return the decoded images whose pixels or record are damaged."""
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        decoded = np.setdiff1d(decoded, self.changed)
        if not len(decoded):
            return decoded
        with show("checking the store", len(decoded)) as advance, (self.folder / PIXELS).open("rb") as pixels:
            sizes = self._dataset.sizes
            found = broken_images(pixels.fileno(), self._records, sizes, decoded.tolist(), jobs, advance)
            return np.array(list(found), np.int64)

    def _abandon(self, committed: Records) -> None:
        """Give up the space of images to be decoded again if a reader may have them mapped."""
        visible = committed[self.todo, STATE] == DECODED
        same_place = committed[self.todo, START] == self._records[self.todo, START]
        self._records[self.todo[visible & same_place], START] = NOWHERE

    def _allocate(self) -> None:
        """Append space for images within the pixel limit that have none."""
        placed = self.todo[(self._records[self.todo, START] == NOWHERE) & (self._space[self.todo] > 0)]
        for column, sizes in ((START, self._space[placed]), (FIRST_BLOCK, self._blocks[placed])):
            ends = int(self._records[-1, column]) + np.cumsum(sizes)
            self._records[placed, column] = ends - sizes
            self._records[-1, column] += int(sizes.sum())
        self._records[-1, CHECK] = row_checksum(self._records, len(self._records) - 1)

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

    def _decode(self, pixels: int, part: int, jobs: int, advance: Callable[[WrittenImage], None]) -> list[ImageError]:
        pending: list[WrittenImage] = []
        errors: list[ImageError] = []
        nbytes, since = 0, time.monotonic()
        try:
            todo = reading_ahead(self._dataset, self._dataset.images, self.todo.tolist())
            cancel = self._dataset.images.cancel_reads
            images = parallel_map(partial(self._write, pixels), todo, jobs, 2 * jobs, cancel)
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

    def _write(self, pixels: int, index: int) -> WrittenImage:
        # The state comes first: if the file changes while it is read, the next run decodes it again.
        state = image_state(self._dataset.images, self._dataset.file_name(index))
        try:
            decoded = self._dataset.decode(index)
        except ImageError as error:
            return WrittenImage(index, 0, state, error=error)
        offset, content = int(self._records[index, START]), decoded.pixels.data.cast("B")
        _write_at(pixels, content, offset)
        _write_at(pixels, all_checksums(content, index).data.cast("B"), offset + checksums_start(len(content)))
        return WrittenImage(index, len(content), state, decoded.hash)

    def _checkpoint(self, pixels: int, part: int, pending: list[WrittenImage]) -> None:
        """Flush pixels to disk, then mark their images as decoded. Empties `pending`."""
        os.fsync(pixels)
        for image in pending:
            self._record(image)
        self._records[-1, FILE_SIZE] = np.count_nonzero(self._records[:-1, STATE] == ABSENT)
        self._records[-1, CHECK] = row_checksum(self._records, len(self._records) - 1)
        header = os.fstat(part).st_size - self._records.nbytes
        for row in (*(image.index for image in pending), len(self._records) - 1):
            os.pwrite(part, self._records[row].tobytes(), header + row * self._records[row].nbytes)
        os.fsync(part)
        pending.clear()

    def _record(self, image: WrittenImage) -> None:
        state = DECODED if image.error is None else ABSENT
        row = self._records[image.index]
        row[FILE_SIZE : STATE + 1] = *image.state, state
        row[HASH_HIGH : HASH_LOW + 1] = np.array(image.hash, np.uint64).view(np.int64)
        row[CHECK] = row_checksum(self._records, image.index)


def _no_progress(title: str, total: int) -> AbstractContextManager[Advance]:
    return progress_bar(title, total, show=False)


@contextmanager
def open_writer(
    dataset: Dataset,
    cache_dir: Path,
    force: bool = False,
    jobs: int = 1,
    show: ShowProgress = _no_progress,
) -> Iterator[StoreWriter]:
    """Yield the writer of a dataset's store and hold the store's lock meanwhile.

    Args:
        dataset: The dataset.
        cache_dir: The cache folder.
        force: Whether to decode all images again.
        jobs: Number of images of an existing store that are checked at once.
        show: Shows the progress of this check.

    Raises:
        StoreError: Another process is writing the store, or it cannot be written.
        ImageSourceError: Images are stored, but none of their files can be found.
    """
    folder = dataset.store_meta.folder(cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=0):
            # Records first, so that an interrupted removal leaves no usable store.
            for name in (RECORDS, PART, PIXELS, META) if force else ():
                (folder / name).unlink(missing_ok=True)
            yield StoreWriter(folder, dataset, jobs, show)
    except Timeout as error:
        raise StoreError(folder, "another process is decoding this dataset; wait until it has finished") from error
    except OSError as error:
        cause = f"cannot be written: {explain(error, folder)}; images decoded so far are kept"
        raise StoreError(folder, cause) from error


def _write_at(file: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(file, data, offset)
        offset, data = offset + count, data[count:]


def _usable_records(folder: Path, name: str, dataset: Dataset) -> Records | None:
    """Return the records of an earlier run, or None if they are missing, damaged or of something else.

    Raises OSError if they cannot be read for another reason: they may be intact.
    """
    try:
        check_meta(folder, dataset.store_meta)
        records = load_records(folder / name, len(dataset), mapped=False)
        if (folder / PIXELS).stat().st_size < records[-1, START]:
            return None
    except (OSError, EOFError, ValueError) as error:
        if not is_of_the_file(error):
            raise
        return None
    return records


def _new_records(images: int) -> Records:
    """Return records of images that are all pending and have no space."""
    records = np.zeros((images + 1, COLUMNS), "<i8")
    records[:-1, START] = NOWHERE
    records[-1, STATE] = DECODED
    return records.view(np.int64)
