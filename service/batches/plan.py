"""Plans: how a batch is cut into runs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import LAYOUTS, Layout
from sampler.config_schema import SamplerConfig
from sampler.stream.substitutes import Substitutes
from sampler.wire.sample_writer import largest_message
from service.batches.selection import Batch


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How long a run may be.

    A run costs the server and its worker about as much as making two samples from the decoded store. So it should be
    long, but short enough that other requests get their turn, and that a small batch is spread over all workers.
    """

    samples: int  # most samples of a run
    bytes: int  # upper bound on a run of several samples
    per_worker: int  # runs per worker of a batch too small for the longest runs


DECODED_RUNS = RunLimits(samples=12, bytes=2_500_000, per_worker=2)
"""For samples whose images are decoded first: a run takes up to 20 ms."""

STORED_RUNS = RunLimits(samples=24, bytes=5_000_000, per_worker=1)
"""For samples from the decoded store: a run takes 4 ms."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The samples start … stop−1 of a batch."""

    number: int  # position of the run in its batch
    start: int
    stop: int
    max_bytes: int  # upper bound on the bytes of its messages


class Planner:
    """Plans the batches of one dataset. Equal batches get equal plans, so that requests for them can share runs."""

    def __init__(
        self,
        config: SamplerConfig,
        categories: int,
        box_starts: NDArray[np.integer[Any]],
        workers: int,
        substitutes: Substitutes | None = None,
        limits: RunLimits = DECODED_RUNS,
    ) -> None:
        """Plan for a dataset whose image i has the boxes box_starts[i] … box_starts[i+1]−1.

        A small batch is spread over all `workers`. substitutes: of unusable images of the dataset.
        """
        self._limits = limits
        self._substitutes = substitutes
        # In memory, and small: the server must not map the file of an index, which could be truncated.
        self._box_counts = np.diff(np.asarray(box_starts)).astype(np.int32)
        self._workers = workers

        @lru_cache(maxsize=4096)
        def sample_bytes(layout: Layout, boxes: int) -> int:
            return largest_message(layout, config, categories, boxes)

        self._sample_bytes = sample_bytes

    @property
    def largest_run(self) -> int:
        """Upper bound on the bytes of any run, in any layout."""
        boxes = int(self._box_counts.max())
        return max(self._limits.bytes, *(self._sample_bytes(layout, boxes) for layout in LAYOUTS))

    def plan(self, batch: Batch) -> tuple[RunPlan, ...]:
        layout = batch.header.layout
        limits = self._limits
        longest = min(limits.samples, -(-len(batch.keys) // (limits.per_worker * self._workers)))
        runs: list[RunPlan] = []
        start = size = 0
        for place, key in enumerate(batch.keys):
            image = key.index if self._substitutes is None else self._substitutes.image_of(key)
            sample = self._sample_bytes(layout, int(self._box_counts[image]))
            if place > start and (place - start == longest or size + sample > limits.bytes):
                runs.append(RunPlan(len(runs), start, place, size))
                start, size = place, 0
            size += sample
        return (*runs, RunPlan(len(runs), start, len(batch.keys), size))
