"""Hashes of the encoded images of a dataset: another file under the same name is noticed when it is read.

    <cache folder>/hashes/<dataset digest>-<hash of the image source>-v<format>.npy
        (N + 1, 2) uint64, little-endian: the XXH3-128 of each encoded image, high half first, and of the rows before it
        in the last row

XXH3-128 costs little next to decoding. It finds accidents: damaged, mixed up and replaced files. It does not
protect against files that were constructed to have the same hash.
"""

import hashlib
import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from sampler.atomic_write import atomic_writer
from sampler.dataset.images.decode import read_encoded
from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.presence import require_images
from sampler.dataset.images.reading_ahead import reading_ahead
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.parallel_map import parallel_map
from sampler.errors import HashError, ImageError
from sampler.memory.shared_memory import create_shared_memory
from sampler.npy_file import load_npy
from sampler.system_errors import explain

FORMAT = 1
"""Raised whenever the meaning of the file changes."""

UNREADABLE = (0, 0)
"""Hash of an image that is missing or cannot be read."""

Hash = tuple[int, int]
"""High and low 64 bits of an XXH3-128."""


def image_hash(data: bytes) -> Hash:
    """Return the hash of an encoded image."""
    return divmod(xxhash.xxh3_128_intdigest(data), 1 << 64)


@dataclass(frozen=True)
class ImageHashes:
    """The hash of each image of a dataset.

    Attributes:
        rows: (N, 2) uint64, the hashes in the order of the index.
    """

    rows: npt.NDArray[np.uint64]

    @cached_property
    def digest(self) -> str:
        """BLAKE2b-128 of all hashes, 32 hexadecimal digits: hosts with equal images have equal digests."""
        return hashlib.blake2b(np.ascontiguousarray(self.rows, "<u8").data, digest_size=16).hexdigest()

    @property
    def unreadable(self) -> int:
        """Number of images that were missing or could not be read."""
        return int(np.count_nonzero(~self.rows.any(axis=1)))

    def of(self, index: int) -> Hash:
        """Return the hash of an image, or UNREADABLE."""
        high, low = self.rows[index].tolist()
        return high, low

    def without(self, indices: Sequence[int]) -> "ImageHashes":
        """Return the same hashes, as if the images at some indices could not be read."""
        rows = self.rows.copy()
        rows[list(indices)] = UNREADABLE
        return ImageHashes(rows)

    def changed_from(self, older: "ImageHashes") -> npt.NDArray[np.intp]:
        """Return the indices of the images whose hash was another in `older`, ascending."""
        return np.flatnonzero((self.rows != older.rows).any(axis=1))

    def check(self, index: int, found: Hash) -> None:
        """Raise a DecodeError of kind "changed" unless `found`, the hash of an image's file, is the recorded one."""
        expected = self.of(index)
        if found == expected:
            return
        if expected == UNREADABLE:
            cause = "the file could not be read when the hashes were recorded"
        else:
            cause = f"the file is not the one whose hash was recorded ({_text(found)}, expected {_text(expected)})"
        raise DecodeError("changed", f"{cause}; restore it, or run `saccade-sampler index --hash-images` again")


class SharedHashes:
    """Hashes in shared memory, for child processes: they check against the same hashes as their parent.

    Attributes:
        descriptor: File descriptor of the memory, for a child process to inherit and open.
        hashes: The hashes.
    """

    def __init__(self, descriptor: int) -> None:
        """Open the memory that `create` made in this or the parent process. Owns its descriptor. Raises OSError."""
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self.hashes = ImageHashes(np.frombuffer(memory, np.uint64).reshape(-1, 2))

    @classmethod
    def create(cls, hashes: ImageHashes) -> "SharedHashes":
        """Return a copy of hashes in shared memory. Raises OSError."""
        shared = cls(create_shared_memory(hashes.rows.nbytes))
        shared.hashes.rows[...] = hashes.rows
        return shared


def hashes_file(cache_dir: Path, dataset_digest: str, source: ImageSource) -> Path:
    """Return where the hashes of a dataset's images are stored: one file for each image source."""
    place = hashlib.blake2b(source.identity.encode(), digest_size=8).hexdigest()
    return cache_dir / "hashes" / f"{dataset_digest}-{place}-v{FORMAT}.npy"


def hash_images(
    index: DatasetIndex,
    source: ImageSource,
    threads: int,
    advance: Callable[[int], None] | None = None,
) -> tuple[ImageHashes, list[ImageError]]:
    """Read and hash every image, `threads` at once. Return the hashes and the errors of images that cannot be read.

    Calls `advance` with the length in bytes of each image. Raises ImageSourceError if no image can be read.
    """

    def read(place: int) -> tuple[Hash, int] | ImageError:
        try:
            data = read_encoded(source, index.file_name(place), index.size(place))
        except ImageError as error:
            return error.at(place)
        return image_hash(data), len(data)

    rows = np.zeros((len(index), 2), np.uint64)
    errors = []
    places = reading_ahead(index, source, range(len(index)))
    with closing(parallel_map(read, places, threads, 4 * threads, source.cancel_reads)) as results:
        for place, result in enumerate(results):
            if isinstance(result, ImageError):
                errors.append(result)
            else:
                rows[place] = result[0]
            if advance is not None:
                advance(0 if isinstance(result, ImageError) else result[1])
    require_images(index, source, np.arange(len(index)), np.logical_or(rows[:, 0], rows[:, 1]))
    return ImageHashes(rows), errors


def write_hashes(file: Path, hashes: ImageHashes) -> None:
    """Create or replace a file of hashes atomically. Raises HashError."""
    content = np.concatenate([hashes.rows, _check_row(hashes.rows)]).astype("<u8")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_writer(file, durable=True) as stream:
            np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(content))
            stream.write(content.data.cast("B"))
    except OSError as error:
        raise HashError(file, f"cannot be written: {explain(error, file)}") from error


def find_hashes(file: Path, images: int) -> ImageHashes | None:
    """Read the hashes of a dataset's images into memory; None if there are none. Raises HashError if damaged."""
    try:
        content = load_npy(file, mapped=False)
        if content.dtype != np.dtype("<u8") or content.shape != (images + 1, 2):
            raise ValueError(f"{content.dtype} {content.shape}, expected <u8 {(images + 1, 2)}")
        rows = content.astype(np.uint64)
        if (rows[-1] != _check_row(rows[:-1])[0]).any():
            raise ValueError("its checksum does not match")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HashError(file, f"the hashes of the images cannot be read: {explain(error, file)}") from error
    except (EOFError, ValueError) as error:
        remedy = "run `saccade-sampler index --hash-images` again, or delete the file to do without hashes"
        raise HashError(file, f"the hashes of the images are damaged: {error}; {remedy}") from error
    return ImageHashes(rows[:-1])


def _check_row(rows: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return np.array([image_hash(np.ascontiguousarray(rows, "<u8").tobytes())], np.uint64)


def _text(value: Hash) -> str:
    return f"{value[0] << 64 | value[1]:032x}"
