"""The decoded store: pixels are those of the image file, or reported as damaged.

Some changed records get a checksum that fits, so that what it protects is read.
"""

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.contents import StoreContents
from sampler.dataset.images.decoded_store.format import CHECK, META, PIXELS, RECORDS, row_checksum
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.errors import StoreError
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.fuzz.targets.files import Files, Folder, changed_files, packed, read_files, unpacked
from tests.support.coco_files import write_dataset
from tests.support.stores import folder_for, write_store

_NUMBERS = (0, 1, -1, 2, 7, 4096, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63))
_NPY_HEADER = 128


def build(folder: Path) -> Target:
    """Return the target."""
    dataset = open_dataset(*write_dataset(folder), cache_dir=folder / "cache")
    write_store(dataset, folder / "cache")
    files = read_files(folder_for(dataset, folder / "cache"))
    copy = Folder(folder / "copy", files)
    expected = [dataset.read(index).pixels for index in range(len(dataset))]
    run = partial(_run, copy, dataset, expected)
    run(packed({}))
    return Target(partial(_make, files), run, (StoreError,))


def _make(files: Files, rng: Random) -> bytes:
    def change(name: str, content: bytes) -> bytes:
        if name == META:
            return json.dumps(mutate_value(json.loads(content), rng)).encode()
        if name == RECORDS:
            return _with_changed_record(content, rng)
        return mutate(content, rng)

    return packed(changed_files(files, rng, change))


def _with_changed_record(content: bytes, rng: Random) -> bytes:
    """Return the records with a changed row, mostly with a checksum that fits."""
    records = np.frombuffer(content, "<i8", offset=_NPY_HEADER).reshape(-1, 8).copy()
    place = rng.randrange(len(records))
    column = rng.randrange(CHECK)
    change = rng.choice((*_NUMBERS, int(records[place, column]) + rng.choice((-1, 1, 4096))))
    records[place, column] = max(-(1 << 63), min(change, (1 << 63) - 1))
    if rng.random() < 0.8:
        records[place, CHECK] = row_checksum(records, place)
    return content[:_NPY_HEADER] + records.tobytes()


def _run(copy: Folder, dataset: Dataset, expected: list[Any], data: bytes) -> None:
    """Open the store as a server and as a worker do, and read every image."""
    changed = unpacked(data)
    copy.hold(changed)
    damaged: list[int] = []
    # Records that fit but lie may let damaged blocks count as those of another image, which were checked.
    forged = changed.keys() >= {PIXELS, RECORDS}
    store = DecodedStore(copy.path, dataset.store_meta, report=damaged.append)
    StoreContents.read(copy.path, dataset.store_meta).recorded(10)
    for index, pixels in enumerate(expected):
        height, width = pixels.shape[:2]
        for rows in (None, (height // 3, height // 2)):
            found = store.pixels(index, height, width, rows)
            if found is None:
                continue
            first, last = rows or (0, height)
            if not np.array_equal(found[first:last], pixels[first:last]):
                require(index in damaged or forged, f"other pixels of image {index}")
    require(bool(changed.keys() & {PIXELS, RECORDS}) or not damaged, "damage in files that were not changed")
