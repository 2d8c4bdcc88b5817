"""Checking all pixels of a decoded store against their checksums."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sampler.dataset.images.decoded_store.blocks import all_checksums, checksums_start, stored_bytes
from sampler.dataset.images.decoded_store.contents import check_files, unusable
from sampler.dataset.images.decoded_store.format import (
    DECODED,
    FIRST_BLOCK,
    PIXELS,
    RECORDS,
    START,
    STATE,
    Records,
    StoreMeta,
    is_inside,
    is_sound,
    load_records,
)
from sampler.dataset.parallel_map import parallel_map
from sampler.progress import Advance


def check_store(
    folder: Path, meta: StoreMeta, sizes: npt.NDArray[np.int32], threads: int, advance: Advance
) -> Iterator[int]:
    """Yield the index of each stored image whose pixels or record are damaged, ascending.

    Args:
        folder: The folder of the store.
        meta: The dataset that the store must belong to.
        sizes: (N, 2), annotated height and width of each image.
        threads: Number of images that are read at once.
        advance: Called after each image of the dataset, stored or not.

    Raises:
        StoreError: The store as a whole is damaged, incomplete or of something else.
    """
    try:
        check_files(folder, meta)
        records = load_records(folder / RECORDS, meta.images, mapped=False)
        with (folder / PIXELS).open("rb") as pixels:
            yield from broken_images(pixels.fileno(), records, sizes, range(meta.images), threads, advance)
    except (OSError, EOFError, ValueError) as error:
        raise unusable(folder, error) from error


def broken_images(
    pixels: int,
    records: Records,
    sizes: npt.NDArray[np.int32],
    indices: Sequence[int],
    threads: int,
    advance: Advance,
) -> Iterator[int]:
    """Yield those of `indices` that are stored and whose pixels, read from the file `pixels`, or record are damaged."""
    last = int(records[-1, START]), int(records[-1, FIRST_BLOCK])

    def check(index: int) -> tuple[bool, int]:
        if records[index, STATE] != DECODED:
            return True, 0
        start, first = int(records[index, START]), int(records[index, FIRST_BLOCK])
        length = 3 * int(sizes[index].astype(np.int64).prod())
        if not is_sound(records, index) or not is_inside(start, first, length, last):
            return False, 0
        content = memoryview(_read_at(pixels, stored_bytes(length), start))
        found = all_checksums(content[:length], index).tobytes()
        return content[checksums_start(length) :] == found, length

    checked = parallel_map(check, indices, threads, window=2 * threads)
    for index, (sound, nbytes) in zip(indices, checked, strict=True):
        advance(nbytes)
        if not sound:
            yield index


def _read_at(file: int, length: int, offset: int) -> bytes:
    """Return `length` bytes, or fewer if the file ends before."""
    data = bytearray()
    while len(data) < length and (part := os.pread(file, length - len(data), offset + len(data))):
        data += part
    return bytes(data)
