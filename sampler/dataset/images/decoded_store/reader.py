"""Decoded images of a dataset in one memory-mapped file: with it a sample costs a crop and nothing else.

    <cache folder>/decoded/<dataset digest>-<hash of the image folder's path>-v<format>/
        meta.json     format, dataset digest, number of images, resolved path of the image folder
        pixels.bin    (height, width, 3) uint8 BGR of each image, from a page boundary on, in the order of the dataset
        records.npy   (N + 1, 4) int64, little-endian; its columns are below
        records.part  the same, of a decoding under way or broken off

A store is whole when `records.npy` is there, which is put there in one step once all pixels are on disk. What it
refers to is never written again: an image that is decoded anew goes behind the others, so that open stores stay valid.

The digest tells of annotations, not of pixels, so a store is of one image folder too: a copy of the images elsewhere
has its own. What a container mounts under another path counts as another folder: decode it in the container.
The store trusts itself: an image file that changes later is noticed by `python -m sampler decode`, and a server that
starts compares some files with what is `recorded`; a reader looks at no files.
"""

import hashlib
import mmap
import os
import weakref
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.errors import SamplerError

FORMAT = 2
"""Raised whenever the files of a store change their meaning."""

PAGE = 4096
"""Images begin at multiples of this many bytes, so that no two share a page of memory."""

META, PIXELS, RECORDS, PART = "meta.json", "pixels.bin", "records.npy", "records.part"

START, FILE_SIZE, FILE_TIME, STATE = range(4)
"""Columns of a record: where the pixels begin in `pixels.bin`, with room for all of them, or NOWHERE; length in bytes
and modification time in ns that the image file had when it was decoded; one of the states below. The last row holds
where the last image ends, how many images are absent, 0 and DECODED."""

NOWHERE = -1
"""Where an image begins that was beyond the pixel limit of all decodings so far: no room is kept for it."""

NO_FILE = (-1, -1)
"""What `file_state` says of a file that is not there."""

PENDING, DECODED, ABSENT = range(3)
"""States of a record: not decoded yet, there, or an image file that could not be decoded."""

Records = npt.NDArray[np.int64]


class StoreError(SamplerError):
    """A decoded store cannot be used or written: `folder`, and the `cause`."""

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(f"{folder}: {cause}")
        self.folder = folder
        self.cause = cause


class Meta(msgspec.Struct, frozen=True):
    """`meta.json`: what a store is of."""

    format: int
    digest: str
    images: int
    images_dir: str


class DecodedStore:
    """The pixels of a dataset, mapped into memory; all processes of a host share them. Opening reads no pixels.

    Pickles as its folder and what it is of, so that it may be handed to other processes.
    """

    def __init__(self, folder: Path, digest: str, images: int, images_dir: Path) -> None:
        """Open the store in `folder`, which must be of the dataset with this digest, number of images and image folder.

        Raises StoreError when it is of something else, of another format, cut short, or not whole yet.
        """
        self.folder = folder
        self._of = digest, images, images_dir.resolve()
        try:
            check_meta(folder, meta_of(digest, images, images_dir))
            if not (folder / RECORDS).exists():
                cause = "is still being written, or its decoding was broken off; python -m sampler decode completes it"
                raise StoreError(folder, cause)
            # Pixels first: records that are found after them are not of a later store in the same place.
            self._descriptor = os.open(folder / PIXELS, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._descriptor)  # the mapping itself lives as long as views of it do
            self._records = map_records(folder / RECORDS, images)
            self._pixels = self._map()
        except (OSError, EOFError, ValueError) as error:
            raise StoreError(folder, f"is damaged: {error}; python -m sampler decode makes it anew") from error
        self._probe = [bytearray(1)] if hasattr(os, "RWF_NOWAIT") else None

    def __reduce__(self) -> tuple[type["DecodedStore"], tuple[Path, str, int, Path]]:
        return DecodedStore, (self.folder, *self._of)

    @property
    def nbytes(self) -> int:
        """Length of the mapped pixels in bytes."""
        return int(self._records[-1, START])

    @property
    def absent(self) -> int:
        """How many images the store does not have, because their files could not be decoded."""
        return int(self._records[-1, FILE_SIZE])

    def recorded(self, count: int) -> list[tuple[int, int, int]]:
        """Up to `count` images that the store has, evenly spread: index, file size in bytes, file time in ns.

        Size and time are those of `file_state` when the image was decoded.
        """
        decoded = np.flatnonzero(self._records[:-1, STATE] == DECODED)
        chosen = decoded[np.linspace(0, len(decoded) - 1, min(count, len(decoded))).astype(np.intp)]
        states = self._records[chosen, FILE_SIZE : FILE_TIME + 1].tolist()
        return [(index, size, time) for index, (size, time) in zip(chosen.tolist(), states, strict=True)]

    def pixels(self, index: int, height: int, width: int) -> npt.NDArray[np.uint8] | None:
        """(height, width, 3) uint8 BGR, a read-only view of the mapping; None for an image the store does not have.

        It does not have one either whose record is damaged and points outside the pixels.
        index: 0…N−1. height, width: of that image, as annotated.
        """
        start, _, _, state = self._records[index].tolist()
        length = height * width * 3
        if state != DECODED or not 0 <= start <= self.nbytes - length:
            return None
        if self._probe is not None:
            self._fetch(self._probe, start, length)
        return np.ndarray((height, width, 3), np.uint8, self._pixels, start)

    def _fetch(self, probe: list[bytearray], start: int, length: int) -> None:
        """Have pixels that are not in memory read from disk all at once, not one fault after another.

        Asking for it where they are in memory costs more than the faults do, so one byte tells first whether they are.
        """
        try:
            os.preadv(self._descriptor, probe, start + length // 2, os.RWF_NOWAIT)
        except BlockingIOError:
            begin = start - start % mmap.PAGESIZE  # pages of memory may be larger than PAGE
            self._pixels.madvise(mmap.MADV_WILLNEED, begin, start + length - begin)
        except OSError:  # a file system that cannot tell
            self._probe = None

    def _map(self) -> mmap.mmap:
        end, length = self.nbytes, os.fstat(self._descriptor).st_size
        if not 0 <= end <= length:
            raise ValueError(f"{PIXELS} is cut short: {length} bytes, expected {end}")
        if end == 0:  # no image could be decoded: there is nothing to map, and no system maps nothing
            return mmap.mmap(-1, PAGE)
        return mmap.mmap(self._descriptor, end, mmap.MAP_SHARED, mmap.PROT_READ)


def store_folder(cache_dir: Path, digest: str, images_dir: Path) -> Path:
    """Where the store of a dataset lies."""
    place = hashlib.blake2b(os.fsencode(images_dir.resolve()), digest_size=4).hexdigest()
    return cache_dir / "decoded" / f"{digest}-{place}-v{FORMAT}"


def find_store(cache_dir: Path, digest: str, images: int, images_dir: Path) -> DecodedStore | None:
    """The store of the dataset with this digest and image folder, or None where there is none.

    images: N of the dataset. Raises StoreError when there is one that cannot be used, or only one of another version
    or of another image folder.
    """
    folder = store_folder(cache_dir, digest, images_dir)
    if (folder / META).exists() or (folder / RECORDS).exists():
        return DecodedStore(folder, digest, images, images_dir)
    others = sorted(file.parent for file in folder.parent.glob(f"{digest}-*[0-9]/{META}"))
    if not others:
        return None
    if others[0].name.endswith(f"-v{FORMAT}"):
        cause = f"is of another image folder than {images_dir.resolve()}; python -m sampler decode makes one of it"
        raise StoreError(others[0], cause)
    raise StoreError(others[0], f"is of another version, expected v{FORMAT}; python -m sampler decode makes one")


def meta_of(digest: str, images: int, images_dir: Path) -> Meta:
    """What `meta.json` says of a dataset's store."""
    # A name that is no text is written down legibly; what tells folders apart is the hash of its bytes.
    folder = os.fsencode(images_dir.resolve()).decode(errors="backslashreplace")
    return Meta(FORMAT, digest, images, folder)


def file_state(path: Path) -> tuple[int, int]:
    """Length in bytes and modification time in ns of a file, `NO_FILE` where there is none that can be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return NO_FILE
    return status.st_size, status.st_mtime_ns


def check_meta(folder: Path, expected: Meta) -> None:
    """Raise ValueError or OSError unless a folder says that it is what is expected."""
    try:
        found = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{META}: {error}") from error
    for name in Meta.__struct_fields__:
        if getattr(found, name) != getattr(expected, name):
            raise ValueError(f"{META} has {name} = {getattr(found, name)!r}, expected {getattr(expected, name)!r}")


def map_records(file: Path, images: int) -> Records:
    """(N + 1, 4) int64, read-only: the records in a file. Raises OSError, EOFError or ValueError."""
    records: npt.NDArray[np.generic] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if records.dtype != np.dtype("<i8") or records.shape != (images + 1, 4):
        raise ValueError(f"{file.name} is {records.dtype} {records.shape}, expected <i8 {(images + 1, 4)}")
    return records.view(np.int64)
