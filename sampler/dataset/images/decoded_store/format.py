"""Format of a decoded store: one file with the pixels of all images, and where each image is in it.

    <cache folder>/decoded/<dataset digest>-<hash of the image source>-v<format>/
        meta.json     format, dataset digest, number of images, identity of the image source
        pixels.bin    (height, width, 3) uint8 BGR of each image, each from a page boundary on
        records.npy   (N + 1, 4) int64, little-endian; its columns are below
        records.part  the same, of a decoding in progress or interrupted

A store is complete when `records.npy` exists. It is renamed to that name once all pixels are on disk. Pixels it refers
to are never overwritten: an image that is decoded again is appended, so open stores stay valid.

The dataset digest covers annotations, not pixels, so a store also belongs to one image source: a copy of the images in
another folder has its own store. A folder that a container mounts under another path counts as another source; decode
it in the container.
"""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.images.source import ImageSource
from sampler.errors import ImageError

FORMAT = 2
"""Raised whenever the meaning of the files changes."""

PAGE = 4096
"""Images begin at multiples of this many bytes, so that no two share a page of memory."""

META, PIXELS, RECORDS, PART = "meta.json", "pixels.bin", "records.npy", "records.part"

START, FILE_SIZE, FILE_VERSION, STATE = range(4)
"""Columns of a record: offset of the pixels in `pixels.bin` (or NOWHERE), the image file's `image_state` when it was
decoded (two columns), and a state below. The last row holds the end of the last image, the number of absent images, 0
and DECODED."""

NOWHERE = -1
"""Start of an image without space in `pixels.bin`: every decoding so far found it too large."""

UNREADABLE = (-1, -1)
"""`image_state` of an image that is missing or not a file."""

PENDING, DECODED, ABSENT = range(3)
"""States of a record: not decoded yet, stored, or not decodable."""

Records = npt.NDArray[np.int64]


class StoreMeta(msgspec.Struct, frozen=True):
    """`meta.json`: the dataset and images that a store belongs to."""

    format: int
    digest: str
    images: int
    source: str = msgspec.field(name="images_dir")

    def folder(self, cache_dir: Path) -> Path:
        """Return the folder of the store."""
        place = hashlib.blake2b(self.source.encode(), digest_size=4).hexdigest()
        return cache_dir / "decoded" / f"{self.digest}-{place}-v{FORMAT}"


def image_state(source: ImageSource, name: str) -> tuple[int, int]:
    """Return size and version of an image file as two 64-bit integers, or UNREADABLE."""
    try:
        found = source.stat(name)
    except ImageError:
        return UNREADABLE
    version = found.version
    if version.isdecimal() and int(version) < 1 << 63:  # such as the time of a local file
        return found.size, int(version)
    hashed = hashlib.blake2b(version.encode(), digest_size=8).digest()
    return found.size, int.from_bytes(hashed, "little", signed=True)


def check_meta(folder: Path, expected: StoreMeta) -> None:
    """Raise ValueError or OSError unless the meta of a store is the expected one."""
    try:
        found = msgspec.json.decode((folder / META).read_bytes(), type=StoreMeta)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{META}: {error}") from error
    for name, key in zip(StoreMeta.__struct_fields__, StoreMeta.__struct_encode_fields__, strict=True):
        if getattr(found, name) != getattr(expected, name):
            raise ValueError(f"{META} has {key} = {getattr(found, name)!r}, expected {getattr(expected, name)!r}")


def map_records(file: Path, images: int) -> Records:
    """Return (N + 1, 4) int64, read-only and memory-mapped. Raises OSError, EOFError or ValueError."""
    records: npt.NDArray[np.generic] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if records.dtype != np.dtype("<i8") or records.shape != (images + 1, 4):
        raise ValueError(f"{file.name} is {records.dtype} {records.shape}, expected <i8 {(images + 1, 4)}")
    return records.view(np.int64)
