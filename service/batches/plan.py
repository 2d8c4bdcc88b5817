"""How a batch is cut into runs: the jobs that workers get and the pieces that are sent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sampler.arrays import Layout
from sampler.config.schema import SamplerConfig
from sampler.wire.sample_writer import largest_message
from service.batches.selection import Batch

RUN_BYTES = 2_500_000
"""About what a run holds: twelve compact samples, or one dense one (measured; larger ones cost hardly less)."""

LONGEST_RUN = 12
"""Samples of a run, at most: enough to make the messages about it cheap, few enough for others to get their turn."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The samples start … stop − 1 of a batch. room: bytes that their messages take at most."""

    start: int
    stop: int
    room: int


class BatchPlanner:
    """Cuts batches. The same batch is always cut the same way, so that requests for it can share its runs."""

    def __init__(self, config: SamplerConfig, categories: int, boxes: Callable[[int], int], workers: int) -> None:
        """boxes: how many boxes the image of an index has."""
        self._boxes = boxes
        self._workers = workers

        @lru_cache(maxsize=4096)
        def largest(layout: Layout, count: int) -> int:
            return largest_message(layout, config, categories, count)

        self._largest = largest

    def plan(self, batch: Batch) -> tuple[RunPlan, ...]:
        """Return the runs of a batch, in order. A small batch is spread over all workers."""
        layout = batch.header.layout
        longest = min(LONGEST_RUN, -(-len(batch.keys) // (2 * self._workers)))
        runs: list[RunPlan] = []
        start = room = 0
        for place, key in enumerate(batch.keys):
            size = self._largest(layout, self._boxes(key.index))
            if place > start and (place - start == longest or room + size > RUN_BYTES):
                runs.append(RunPlan(start, place, room))
                start, room = place, 0
            room += size
        runs.append(RunPlan(start, len(batch.keys), room))
        return tuple(runs)
