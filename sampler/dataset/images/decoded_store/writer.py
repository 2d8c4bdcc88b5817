"""Decode a whole dataset into a decoded store; an interrupted run can be resumed.

Pixels are written where the records say they will be, and a record is marked as decoded only once its pixels are on
disk. Whenever a writer is killed, the next one decodes again what was under way and goes on from there.
"""

import os
import shutil
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

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.reader import (
    ABSENT,
    DECODED,
    FILE_SIZE,
    FILE_TIME,
    META,
    NOWHERE,
    PAGE,
    PART,
    PENDING,
    PIXELS,
    RECORDS,
    START,
    STATE,
    Meta,
    Records,
    StoreError,
    check_meta,
    file_state,
    map_records,
    meta_of,
    store_folder,
)
from sampler.dataset.parallel_map import in_order
from sampler.errors import ImageError
from sampler.progress import steps

CHECKPOINT_BYTES = 1 << 28
"""Pixels that are written between two checkpoints, at most: what a kill costs."""

CHECKPOINT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Written:
    """An image that was decoded and written, or why it could not be: its index and the file's size and time."""

    index: int
    nbytes: int
    file_size: int
    file_time: int
    error: ImageError | None


class StoreWriter:
    """The store of a dataset while it is written, under its lock. `open_writer` makes one.

    todo: (K,) int64 ascending, the images that have to be decoded: those that never were, those whose files have
    another size or time than then, and those that could not be decoded then.
    """

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        """Read what is there already, and look at every image file that was decoded. Raises OSError."""
        self.folder = folder
        self._dataset = dataset
        pixels = dataset.sizes.astype(np.int64).prod(axis=1)
        # What is beyond the limit is refused whatever its file holds, and needs no room.
        self._room = np.where(pixels <= dataset.max_pixels, -(-pixels * 3 // PAGE) * PAGE, 0)
        committed, part = (_known_records(folder, name, dataset) for name in (RECORDS, PART))
        known = part if part is not None else committed
        self._useless = [name for name, found in ((RECORDS, committed), (PART, part), (PIXELS, known)) if found is None]
        self._records = _fresh_records(len(dataset)) if known is None else known.copy()
        self.changed = self._changed()
        self._records[self.changed, STATE] = PENDING
        self.todo = np.flatnonzero(self._records[:-1, STATE] != DECODED)
        if committed is not None:
            self._leave(committed)
        self._place()

    @property
    def images(self) -> int:
        """N of the dataset."""
        return len(self._dataset)

    @property
    def needed(self) -> int:
        """Bytes of disk that the images of `todo` take."""
        return int(self._room[self.todo].sum())

    @property
    def free(self) -> int:
        """Bytes of disk that are free where the store lies."""
        return shutil.disk_usage(self.folder).free

    @property
    def nbytes(self) -> int:
        """Bytes of disk that the whole store takes, holes included."""
        return int(self._records[-1, START])

    @property
    def decoded(self) -> int:
        """How many images are there."""
        return int(np.count_nonzero(self._records[:-1, STATE] == DECODED))

    def run(self, jobs: int, advance: Callable[[Written], None]) -> list[ImageError]:
        """Decode `todo`, `jobs` images at once, and make the store whole; the errors of images it does not have.

        advance: called after each image. Memory: at most as many decoded images as jobs. Raises OSError when the
        store cannot be written; whatever is raised, what was decoded so far is kept.
        """
        if not len(self.todo):
            return []
        self._begin()
        errors: list[ImageError] = []
        with (
            _opened(self.folder / PIXELS, os.O_RDWR) as pixels,
            _opened(self.folder / PART, os.O_RDWR) as part,
        ):
            self._decode(pixels, part, jobs, advance, errors)
        (self.folder / PART).rename(self.folder / RECORDS)
        _sync_folder(self.folder)
        return errors

    def _changed(self) -> npt.NDArray[np.int64]:
        """Decoded images whose file now has another size or time, or is gone."""
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        found = (file_state(self._dataset.path(index)) for index in decoded.tolist())
        now = np.array(list(found), np.int64).reshape(-1, 2)
        differs = (now != self._records[decoded, FILE_SIZE : FILE_TIME + 1]).any(axis=1)
        return np.asarray(decoded[differs], np.int64)

    def _leave(self, committed: Records) -> None:
        """Give up the places of images that are decoded anew, if readers may be looking at them."""
        seen = committed[self.todo, STATE] == DECODED
        left = self.todo[seen & (committed[self.todo, START] == self._records[self.todo, START])]
        self._records[left, START] = NOWHERE

    def _place(self) -> None:
        """Give images within the limit that have no place one behind all others, with room for the whole image."""
        placeless = self._records[self.todo, START] == NOWHERE
        placed = self.todo[placeless & (self._room[self.todo] > 0)]
        ends = self.nbytes + np.cumsum(self._room[placed])
        self._records[placed, START] = ends - self._room[placed]
        self._records[-1, START] += int(self._room[placed].sum())

    def _begin(self) -> None:
        """Write what a later run needs to go on from here; first remove what could be taken for something else."""
        for name in self._useless:
            (self.folder / name).unlink(missing_ok=True)
        _replace(self.folder / META, msgspec.json.encode(_meta(self._dataset)))
        with (self.folder / PIXELS).open("ab") as stream:
            if stream.tell() < self.nbytes:
                stream.truncate(self.nbytes)
        part = self.folder / f"{PART}.new"
        with part.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(self._records))
            stream.write(self._records.data.cast("B"))
        part.rename(self.folder / PART)

    def _decode(
        self, pixels: int, part: int, jobs: int, advance: Callable[[Written], None], errors: list[ImageError]
    ) -> None:
        waiting: list[Written] = []
        volume, since = 0, time.monotonic()
        try:
            images = in_order(partial(self._write, pixels), self.todo.tolist(), jobs, under_way=2 * jobs)
            with closing(images):  # no thread may write once this has ended
                for written in images:
                    waiting.append(written)
                    errors.extend(filter(None, [written.error]))
                    advance(written)
                    volume += written.nbytes
                    if volume > CHECKPOINT_BYTES or time.monotonic() - since > CHECKPOINT_SECONDS:
                        self._checkpoint(pixels, part, waiting)
                        volume, since = 0, time.monotonic()
        finally:
            self._checkpoint(pixels, part, waiting)

    def _write(self, pixels: int, index: int) -> Written:
        # The file's state comes first: a file that changes while it is read is then decoded again by the next run.
        file_size, file_time = file_state(self._dataset.path(index))
        try:
            image = self._dataset.read(index)
        except ImageError as error:
            return Written(index, 0, file_size, file_time, error)
        place, rest = int(self._records[index, START]), image.data.cast("B")
        while rest:
            count = os.pwrite(pixels, rest, place)
            place, rest = place + count, rest[count:]
        return Written(index, image.nbytes, file_size, file_time, None)

    def _checkpoint(self, pixels: int, part: int, waiting: list[Written]) -> None:
        """Mark images as decoded, after their pixels have reached the disk. Empties `waiting`."""
        os.fsync(pixels)
        for one in waiting:
            state = DECODED if one.error is None else ABSENT
            self._records[one.index, FILE_SIZE:] = one.file_size, one.file_time, state
        self._records[-1, FILE_SIZE] = np.count_nonzero(self._records[:-1, STATE] == ABSENT)
        header = os.fstat(part).st_size - self._records.nbytes
        for row in (*(one.index for one in waiting), len(self._records) - 1):
            os.pwrite(part, self._records[row].tobytes(), header + row * self._records[row].nbytes)
        os.fsync(part)
        waiting.clear()


@contextmanager
def open_writer(
    dataset: Dataset, cache_dir: Path, force: bool = False, progress: bool = False
) -> Iterator[StoreWriter]:
    """The writer of a dataset's store, which is locked meanwhile.

    force: forget what is there, and decode everything. progress: show on stderr what is being done until the writer is
    there. Raises StoreError when another process is writing it, or it cannot be written.
    """
    folder = store_folder(cache_dir, dataset.digest, dataset.images_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock", timeout=0):
            if force:
                _forget(folder)
            with steps(progress) as report:
                report("looking at the image files")
                writer = StoreWriter(folder, dataset.with_pixels())  # from the files, whatever else it reads from
            yield writer
    except Timeout as error:
        raise StoreError(folder, "another process is decoding this dataset; wait until it has ended") from error
    except OSError as error:
        elsewhere = "make room or set another cache folder (SAMPLER_CACHE_DIR)"
        cause = f"cannot be written: {error.strerror or error}; {elsewhere}"
        raise StoreError(folder, f"{cause}, what is decoded so far is kept") from error


def _forget(folder: Path) -> None:
    """Remove all files of a store; its records first, so that what is left halfway is no store."""
    for name in (RECORDS, PART, PIXELS, META):
        (folder / name).unlink(missing_ok=True)


def _meta(dataset: Dataset) -> Meta:
    return meta_of(dataset.digest, len(dataset), dataset.images_dir)


def _known_records(folder: Path, name: str, dataset: Dataset) -> Records | None:
    """The records of an earlier run, or None where they are absent, of something else, or damaged."""
    try:
        check_meta(folder, _meta(dataset))
        records = map_records(folder / name, len(dataset))
        if (folder / PIXELS).stat().st_size < records[-1, START]:
            return None
    except (OSError, EOFError, ValueError):
        return None
    return records


def _fresh_records(images: int) -> Records:
    """Records of images that are all pending, none with a place."""
    records = np.zeros((images + 1, 4), "<i8")
    records[:-1, START] = NOWHERE
    records[-1, STATE] = DECODED
    return records.view(np.int64)


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.new")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(file)


def _sync_folder(folder: Path) -> None:
    """Have a rename reach the disk."""
    with _opened(folder, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a file or folder, closed at the end of the block. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
