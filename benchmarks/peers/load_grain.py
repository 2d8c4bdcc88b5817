"""Grain: a dataset of positions, mapped and batched in worker processes that write into shared memory."""

from collections.abc import Generator

import grain

from benchmarks.peers.plain_route import Arrays
from benchmarks.peers.routes import Route

POSITIONS = 1 << 40
BUFFERED = 2
"""Batches that each worker makes ahead."""


def batches(route: Route, batch_size: int, workers: int) -> Generator[Arrays]:
    """Yield batches as arrays in shared memory."""
    samples = grain.MapDataset.range(POSITIONS).map(route)
    # One reading thread in each worker: the work is computing, not waiting for a remote disk.
    reading = grain.ReadOptions(num_threads=1, prefetch_buffer_size=batch_size)
    processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=BUFFERED)
    yield from samples.to_iter_dataset(reading).batch(batch_size).mp_prefetch(processes)
