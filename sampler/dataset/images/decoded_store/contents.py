"""What a decoded store holds, read into memory: for processes that must not map files.

A mapped file that another process truncates ends the process that reads there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampler.dataset.images.decoded_store.format import (
    DECODED,
    FILE_SIZE,
    FILE_VERSION,
    FIRST_BLOCK,
    FORMAT,
    HASH_HIGH,
    HASH_LOW,
    META,
    PIXELS,
    RECORDS,
    START,
    STATE,
    Records,
    StoreMeta,
    check_meta,
    load_records,
)
from sampler.dataset.images.hashes import ImageHashes
from sampler.errors import StoreError
from sampler.system_errors import explain, is_of_the_file


@dataclass(frozen=True, slots=True, eq=False)
class StoreContents:
    """The records of a complete store.

    Attributes:
        folder: The folder of the store.
        inode: Identity of the file of pixels.
    """

    folder: Path
    inode: int
    _records: Records

    @classmethod
    def read(cls, folder: Path, meta: StoreMeta) -> "StoreContents":
        """Read the records of the store in `folder`. Raises StoreError if it is damaged or of something else."""
        try:
            check_files(folder, meta)
            pixels = (folder / PIXELS).stat()
            records = load_records(folder / RECORDS, meta.images, mapped=False)
            if not 0 <= records[-1, START] <= pixels.st_size:
                raise ValueError(f"{PIXELS} is truncated: {pixels.st_size} bytes, expected {records[-1, START]}")
        except (OSError, EOFError, ValueError) as error:
            raise unusable(folder, error) from error
        return cls(folder, pixels.st_ino, records)

    @property
    def nbytes(self) -> int:
        """Length of all pixels in bytes."""
        return int(self._records[-1, START])

    @property
    def blocks(self) -> int:
        """Number of blocks of all images."""
        return int(self._records[-1, FIRST_BLOCK])

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

    def from_other_files(self, hashes: ImageHashes) -> int:
        """Return the number of stored images that were decoded from another file than the one whose hash is given."""
        decoded = self._records[:-1, STATE] == DECODED
        stored = self._records[:-1, HASH_HIGH : HASH_LOW + 1].view(np.uint64)
        return int(np.count_nonzero(decoded & (stored != hashes.rows).any(axis=1)))


def unusable(folder: Path, error: Exception) -> StoreError:
    """Return the error for a store that cannot be opened: it is damaged, or the host refuses to read it."""
    if isinstance(error, OSError) and not is_of_the_file(error):
        return StoreError(folder, f"cannot be read: {explain(error, folder)}")
    return StoreError(folder, f"is damaged: {error}; run `saccade-sampler decode` to repair it")


def check_files(folder: Path, meta: StoreMeta) -> None:
    """Raise ValueError or OSError if a store is of something else, StoreError if it is incomplete."""
    check_meta(folder, meta)
    if not is_complete(folder):
        raise StoreError(folder, "is incomplete; run `saccade-sampler decode` to complete it")


def is_complete(folder: Path) -> bool:
    """Return whether a store was ever completed. Otherwise `decode` is running or was interrupted."""
    return (folder / RECORDS).exists()


def find_folder(cache_dir: Path, meta: StoreMeta) -> Path | None:
    """Return the folder of a dataset's store, None if there is no store at all.

    Raises:
        StoreError: There are only stores of another version, or of other images, or the folder cannot be read.
    """
    folder = meta.folder(cache_dir)
    try:
        if (folder / META).exists() or is_complete(folder):
            return folder
        others = sorted(file.parent for file in folder.parent.glob(f"{meta.digest}-*[0-9]/{META}"))
    except OSError as error:
        raise unusable(folder, error) from error
    if not others:
        return None
    current = [other for other in others if other.name.endswith(f"-v{FORMAT}")]
    if current:
        cause = f"is of other images than those in {meta.source}; run `saccade-sampler decode` to decode these"
        raise StoreError(current[0], cause)
    cause = f"is of another version, expected v{FORMAT}; run `saccade-sampler decode`, then delete this folder"
    raise StoreError(others[0], cause)
