"""This project's loader: batches travel compact and are rendered to dense arrays in the loader's process."""

from collections.abc import Generator

import client
from sampler.arrays import ArrayMap


def batches(url: str, *, seed: int, batch_size: int, rank: int, world_size: int) -> Generator[ArrayMap]:
    """Yield a rank's batches, of `batch_size` samples each, as arrays in shared memory."""
    whole = batch_size * world_size
    with client.loader(url, seed=seed, batch_size=whole, rank=rank, world_size=world_size) as loaded:
        for batch in loaded:
            yield batch.arrays
