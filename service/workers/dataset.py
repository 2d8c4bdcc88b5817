"""The dataset as a worker opens it, with the decoded images that its server has found."""

import sys
from pathlib import Path
from typing import Any

from sampler.dataset.dataset import Dataset
from sampler.dataset.images.decoded_store.reader import DecodedStore, StoreError
from sampler.dataset.images.image_cache import PixelCache


def worker_dataset(setup: dict[str, Any]) -> Dataset:
    """Return the dataset of a worker's setup, a message that `WorkerSetup.encode` made. Raises AnnotationError.

    A store or a cache that is there no more is done without: the samples are the same, and stderr says so, which is
    the server's.
    """
    dataset = Dataset.open(Path(setup["index_dir"]), Path(setup["images"]), setup["max_image_pixels"])
    store, cache = setup["decoded_store"], setup["pixel_cache"]
    try:
        return dataset.with_pixels(
            None if store is None else DecodedStore(Path(store), dataset.digest, len(dataset), dataset.images_dir),
            None if cache is None else PixelCache(cache),
        )
    except (StoreError, OSError) as error:
        print(f"worker: decoded images are not used: {error}", file=sys.stderr, flush=True)
        return dataset
