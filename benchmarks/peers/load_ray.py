"""Ray Data: a pool of actors that make whole batches, which the trainer reads from the object store without a copy."""

import os
import tempfile
from collections.abc import Generator

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext

from benchmarks.peers.plain_route import Arrays
from benchmarks.peers.routes import Route

BATCHES = 4096
"""More than any measurement takes."""
PREFETCH = 2
OBJECT_STORE_BYTES = 6 << 30
LARGEST_BLOCK = 1 << 30
"""A batch stays one block, so that it is neither cut nor put together again."""


class _Batches:
    """What an actor runs."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def __call__(self, positions: Arrays) -> Arrays:
        samples = [self._route(int(position)) for position in positions["id"]]
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def batches(route: Route, batch_size: int, workers: int) -> Generator[Arrays]:
    """Yield batches as arrays in the object store."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        # The actors take all CPUs that Ray counts but one, which is for the tasks that give them positions.
        ray.init(
            address="local", num_cpus=workers + 1, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False,
            log_to_driver=False, logging_level="ERROR", _temp_dir=folder,
        )  # fmt: skip
        try:
            yield from _pipeline(route, batch_size, workers)
        finally:
            ray.shutdown()


def _pipeline(route: Route, batch_size: int, workers: int) -> Generator[Arrays]:
    context = DataContext.get_current()
    context.target_max_block_size = LARGEST_BLOCK
    context.enable_progress_bars = False
    samples = ray.data.range(BATCHES * batch_size, override_num_blocks=BATCHES).map_batches(
        _Batches, fn_constructor_args=(route,), batch_size=batch_size, compute=ActorPoolStrategy(size=workers),
    )  # fmt: skip
    yield from samples.iter_batches(batch_size=batch_size, prefetch_batches=PREFETCH, batch_format="numpy")
