"""The batch cache: each batch is made once for all responses that need it at the same time or soon after.

A batch that is small enough is cached: its runs stay when no response holds them, until they exceed the cache's limit
or others need their memory. The batch that was unused for longest is evicted first.
"""

import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Literal

from service.arena import Arena, Slab
from service.batches.plan import Planner
from service.batches.run import Run, SharedBatch
from service.batches.selection import Batch
from service.workers.pool import WorkerPool
from service.workers.protocol import RunJob

LARGEST_SHARE = 2
"""A batch is cached if it takes at most one part in this many of the cache."""

Found = Literal["hit", "join", "miss"]


class BatchCache:
    """The batches of one dataset that are being made or cached.

    Attributes:
        found: requested batches by how they were found: made (hit), being made (join), neither (miss).
        cached_bytes: bytes of the arena that runs of cached batches occupy.
        responses: number of responses that take runs now.
    """

    def __init__(self, pool: WorkerPool, arena: Arena, planner: Planner, limit: int) -> None:
        """Start empty. limit: bytes that cached batches may occupy; 0 caches none."""
        self.pool = pool
        self.arena = arena
        self.found: dict[Found, int] = {"hit": 0, "join": 0, "miss": 0}
        self.cached_bytes = 0
        self.responses = 0
        self._planner = planner
        self._limit = limit
        self._batches: OrderedDict[Batch, SharedBatch] = OrderedDict()
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()

    @property
    def prefetched_bytes(self) -> int:
        """Bytes of the arena's shared part whose runs responses hold."""
        return sum(run.slab.size for run in self._runs if run.holders and not run.slab.reserved)

    def open(self, batch: Batch) -> SharedBatch:
        """Return a batch to take runs of. Call `close` when done."""
        shared = self._batches.get(batch)
        if shared is None:
            self.found["miss"] += 1
            plan = self._planner.plan(batch)
            cached = sum(run.max_bytes for run in plan) <= self._limit // LARGEST_SHARE
            shared = self._batches[batch] = SharedBatch(batch, plan, cached, self._resized)
            return shared
        self.found["hit" if shared.complete else "join"] += 1
        self._batches.move_to_end(batch)
        shared.responses += 1
        return shared

    def close(self, shared: SharedBatch) -> None:
        """Note that one response less needs a batch. It stays if it is cached and complete."""
        shared.responses -= 1
        if not shared.responses and not (shared.cached and shared.complete):
            self.forget(shared)

    def forget(self, shared: SharedBatch) -> None:
        """Remove a batch from the cache; later requests make it again."""
        shared.uncache()
        if self._batches.get(shared.batch) is shared:
            del self._batches[shared.batch]

    def evict(self) -> bool:
        """Evict the cached batch that was unused for longest. Returns False if none is cached."""
        oldest = next((shared for shared in self._batches.values() if shared.cached), None)
        if oldest is None:
            return False
        if oldest.responses:
            oldest.uncache()
        else:
            self.forget(oldest)
        return True

    def borrow(self, size: int) -> Slab | None:
        """Borrow a slab of the arena's shared part, evicting batches if need be. Returns None while there is none."""
        while (slab := self.arena.borrow(size)) is None and size < self.arena.shared:
            if not self.evict():
                break
        return slab

    def start(self, shared: SharedBatch, number: int, slab: Slab, owner: Hashable) -> Run:
        """Have a worker make a run of a batch, and hold it. owner: the response, which takes turns with others."""
        plan, header = shared.plan[number], shared.batch.header
        keys = shared.batch.keys[plan.start : plan.stop]
        job = RunJob(keys, header.augment, header.layout, plan.start, slab.offset, slab.capacity)
        run = Run(shared, plan, slab, self.pool.submit(job, owner, slab))
        self._runs.add(run)
        return run

    def _resized(self, change: int) -> None:
        self.cached_bytes += change
        while self.cached_bytes > self._limit and self.evict():
            pass
