"""SPDL: a pipeline of threads in the trainer's process that fills batches whose memory is reused."""

from collections.abc import Generator

import numpy as np
from spdl.pipeline import PipelineBuilder

from benchmarks.peers.plain_route import Arrays
from benchmarks.peers.routes import Route

POSITIONS = 1 << 40
BUFFERED = 2
IN_USE = 4
"""Batches besides the buffered ones: being filled, waiting in the pipeline's queues, and in the trainer's hands."""


def batches(route: Route, batch_size: int, workers: int) -> Generator[Arrays]:
    """Yield batches as arrays of the trainer's process."""
    pipeline = (
        PipelineBuilder()
        .add_source(range(POSITIONS))
        .pipe(route.opened(), concurrency=workers, output_order="input")
        .aggregate(batch_size)
        .pipe(_Stack(BUFFERED + IN_USE))
        .add_sink(BUFFERED)
        .build(num_threads=workers)
    )
    with pipeline.auto_stop():
        yield from pipeline.get_iterator()


class _Stack:
    """Stacks samples into one of `count` batches in turn: new memory for each would cost more than the copy."""

    def __init__(self, count: int) -> None:
        self._batches: list[Arrays] = []
        self._count = count
        self._next = 0

    def __call__(self, samples: list[Arrays]) -> Arrays:
        if len(self._batches) < self._count:
            self._batches.append({name: np.stack([one[name] for one in samples]) for name in samples[0]})
            return self._batches[-1]
        batch = self._batches[self._next]
        self._next = (self._next + 1) % self._count
        for name, array in batch.items():
            np.stack([one[name] for one in samples], out=array)
        return batch
