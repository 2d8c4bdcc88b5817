"""Recorded hashes for tests."""

from pathlib import Path

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.hashes import ImageHashes, hash_images, hashes_file, write_hashes


def record(dataset: Dataset, cache_dir: Path) -> ImageHashes:
    """Record the hashes of a dataset whose images can all be read."""
    hashes, errors = hash_images(dataset, dataset.images, threads=2)
    assert errors == []
    write_hashes(hashes_file(cache_dir, dataset.digest, dataset.images), hashes)
    return hashes
