"""Datasets that record and use entry points, and checks of what they read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points.part_decoder import EntryPointDecoder
from sampler.dataset.images.entry_points.records import EntryPointRecords, Record, records_file
from sampler.dataset.images.hashes import image_hash
from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.image_part import Region
from tests.support.coco_files import image_file


def file_of(dataset: Dataset, cache_dir: Path) -> Path:
    """Return the file of a dataset's entry points, whether it exists or not."""
    return records_file(cache_dir, dataset.digest, dataset.images)


def with_entry_points(dataset: Dataset, cache_dir: Path, report: Callable[[str], None] | None = None) -> Dataset:
    """The same dataset, as workers use it: with entry points, and separate counts."""
    other = dataset.with_decoded(dataset.store, dataset.cache)
    other.counts = DecodeCounts()
    other.decoder = EntryPointDecoder(EntryPointRecords.open(file_of(dataset, cache_dir)), other.counts, report)
    return other


def record_for(dataset: Dataset, cache_dir: Path, index: int) -> Record | None:
    """Return the valid record of an image, as its file is now."""
    found = image_hash(image_file(dataset, index).read_bytes())
    return EntryPointRecords.open(file_of(dataset, cache_dir)).find(index, found)


def assert_parts_are_exact(dataset: Dataset, reference: Dataset, index: int, regions: int = 20, seed: int = 0) -> None:
    """Check that parts of an image have the pixels of the whole image of a dataset without entry points."""
    numbers = np.random.Generator(np.random.Philox(key=seed))
    whole = reference.read(index).pixels
    height, width = whole.shape[:2]
    for _ in range(regions):
        top, left = int(numbers.integers(height)), int(numbers.integers(width))
        bottom, right = int(numbers.integers(top, height)) + 1, int(numbers.integers(left, width)) + 1
        region = Region((top, bottom), (left, right))
        part = dataset.read(index, region)
        assert part.region.covers(region)
        y, x = top - part.origin[0], left - part.origin[1]
        found = part.pixels[y : y + bottom - top, x : x + right - left]
        assert np.array_equal(found, whole[top:bottom, left:right]), region
