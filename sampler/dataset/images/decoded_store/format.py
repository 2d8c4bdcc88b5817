"""Format of a decoded store: one file with the pixels of all images, and where each image is in it.

    <cache folder>/decoded/<dataset digest>-<hash of image source and pixel rules>-v<format>/
        meta.json     format, dataset digest, number of images, identity of the image source, pixel rules
        pixels.bin    for each image, from a page boundary on: (height, width, 3) uint8 BGR, then the checksums of its
                      blocks; see `sampler.dataset.images.decoded_store.blocks`
        records.npy   (N + 1, 8) int64, little-endian; its columns are below
        records.part  the same, of a decoding in progress or interrupted

A store is complete when `records.npy` exists. It is renamed to that name once all pixels are on disk. Pixels it refers
to are never overwritten: an image that is decoded again is appended, so open stores stay valid.

The dataset digest covers annotations, not pixels, so a store also belongs to one image source: a copy of the images in
another folder has its own store. A folder that a container mounts under another path counts as another source; decode
it in the container.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from sampler.dataset.images.decoded_store.blocks import CHECKSUM_BYTES, block_count, stored_bytes
from sampler.dataset.images.hashes import Hash
from sampler.dataset.images.source import ImageSource
from sampler.errors import ImageError
from sampler.npy_file import load_npy

FORMAT = 3
"""Raised whenever the meaning of the files changes."""

PIXEL_RULES = "exif-2"
"""Name of the rules by which an encoded image becomes pixels; another name whenever other pixels come out."""

PAGE = 4096
"""Images begin at multiples of this many bytes, so that no two share a page of memory."""

META, PIXELS, RECORDS, PART = "meta.json", "pixels.bin", "records.npy", "records.part"

START, FILE_SIZE, FILE_VERSION, STATE, FIRST_BLOCK, HASH_HIGH, HASH_LOW, CHECK = range(8)
"""Columns of a record:

- offset of the pixels in `pixels.bin`, or NOWHERE;
- the image file's `image_state` when it was decoded, two columns;
- a state below;
- number of the image's first block, counted over all images;
- the XXH3-128 of the image file, two columns;
- the checksum of the other columns, if the image is stored.

The last row holds the end of the last image, the number of absent images, 0, DECODED and the number of all blocks.
"""

COLUMNS = 8
ROW_BYTES = 8 * COLUMNS

NOWHERE = -1
"""Start of an image without space in `pixels.bin`: every decoding so far found it too large."""

NO_FILE = (-1, -1)
"""`image_state` of an image that is missing or not a file."""

PENDING, DECODED, ABSENT = range(3)
"""States of a record: not decoded yet, stored, or not decodable. Images that the decoder finds damaged count as not
decodable: readers decode them from their files, where the choice to serve or refuse them applies."""

Records = npt.NDArray[np.int64]

_UNSIGNED = (1 << 64) - 1


class ExpectedFile(NamedTuple):
    """What is known about the file that an image must have been decoded from.

    Attributes:
        hash: Its hash; any if None.
        state: Its `image_state`; any if None.
    """

    hash: Hash | None = None
    state: tuple[int, int] | None = None

    def matches(self, row: list[int]) -> bool:
        """Return whether a stored image, given its row of the records, was decoded from this file."""
        if self.hash is not None and self.hash != file_hash(row):
            return False
        return self.state is None or self.state == (row[FILE_SIZE], row[FILE_VERSION])


ANY_FILE = ExpectedFile()


class StoreMeta(msgspec.Struct, frozen=True):
    """`meta.json`: the dataset and images that a store belongs to."""

    format: int
    digest: str
    images: int
    source: str = msgspec.field(name="images_dir")
    rules: str

    def folder(self, cache_dir: Path) -> Path:
        """Return the folder of the store."""
        place = hashlib.blake2b(f"{self.source}\n{self.rules}".encode(), digest_size=4).hexdigest()
        return cache_dir / "decoded" / f"{self.digest}-{place}-v{FORMAT}"


def image_state(source: ImageSource, name: str) -> tuple[int, int]:
    """Return size and version of an image file as two 64-bit integers, or NO_FILE."""
    try:
        return source.stat(name).numbers
    except ImageError:
        return NO_FILE


def image_states(source: ImageSource, names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the `image_state` of many image files."""
    return [NO_FILE if stat is None else stat.numbers for stat in source.stats(names)]


def check_meta(folder: Path, expected: StoreMeta) -> None:
    """Raise ValueError or OSError unless the meta of a store is the expected one."""
    try:
        found = msgspec.json.decode((folder / META).read_bytes(), type=StoreMeta)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{META}: {error}") from error
    for name, key in zip(StoreMeta.__struct_fields__, StoreMeta.__struct_encode_fields__, strict=True):
        if getattr(found, name) != getattr(expected, name):
            raise ValueError(f"{META} has {key} = {getattr(found, name)!r}, expected {getattr(expected, name)!r}")


def load_records(file: Path, images: int, *, mapped: bool) -> Records:
    """Return (N + 1, 8) int64, memory-mapped read-only or read. Raises OSError, EOFError or ValueError."""
    records = load_npy(file, mapped=mapped)
    if records.dtype != np.dtype("<i8") or records.shape != (images + 1, COLUMNS):
        raise ValueError(f"{file.name} is {records.dtype} {records.shape}, expected <i8 {(images + 1, COLUMNS)}")
    whole = records.view(np.int64)
    if not is_sound(whole, images):
        raise ValueError(f"{file.name} has a wrong checksum in its last row")
    end, absent, blocks = (int(whole[-1, column]) for column in (START, FILE_SIZE, FIRST_BLOCK))
    if not (0 <= absent <= images and 0 <= blocks * CHECKSUM_BYTES <= end):
        raise ValueError(f"{file.name} has impossible numbers in its last row")
    return whole


def is_inside(start: int, first_block: int, length: int, last: tuple[int, int]) -> bool:
    """Return whether an image of `length` bytes of pixels lies within the store, and its blocks among those counted.

    last: The end of the last image, and the number of all blocks.
    """
    return 0 <= start <= last[0] - stored_bytes(length) and 0 <= first_block <= last[1] - block_count(length)


def row_checksum(records: Records, place: int) -> int:
    """Return the checksum of a row, a signed 64-bit integer."""
    return checksum_of(records[place].astype("<i8").data.cast("B"), place)


def checksum_of(row: memoryview, place: int) -> int:
    """Return the checksum of a row, given as bytes; see `row_checksum`."""
    digest = xxhash.xxh3_64_intdigest(row[: 8 * CHECK], place)
    return digest - (1 << 64) if digest >> 63 else digest


def is_sound(records: Records, place: int) -> bool:
    """Return whether a row has its checksum. Rows of images that are not stored have none."""
    return int(records[place, CHECK]) == row_checksum(records, place)


def file_hash(row: list[int]) -> Hash:
    """Return the hash of the file that an image was decoded from."""
    return row[HASH_HIGH] & _UNSIGNED, row[HASH_LOW] & _UNSIGNED
