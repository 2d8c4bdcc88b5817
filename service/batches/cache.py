"""The batch cache: each batch is made once for all responses that need it at the same time or soon after.

A run is consecutive samples of one batch, made by one worker into one slab. Every response that needs a run holds it
until its bytes are sent. When the last response releases it, the run stays only if its batch is cached. A batch is
cached if it is small enough, until the cached runs exceed the limit or others need their memory. The batch that was
unused for longest is evicted first, but before that, the runs of responses whose clients do not read.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from service.arena import Arena, Slab
from service.batches.plan import Planner, RunPlan
from service.batches.selection import Batch
from service.batches.shared_digest import SharedDigest
from service.workers.pool import WorkerPool
from service.workers.protocol import RunJob, RunResult

LARGEST_SHARE = 2
"""A batch is cached if it takes at most one part in this many of the cache."""


PINNED_SHARE = 4
"""Sockets of paused responses may refer to one part in this many of the arena; further pieces are copied for them."""


class Releasable(Protocol):
    """The runs of a paused response."""

    def release(self) -> None:
        """Release all of them."""


@dataclass(slots=True, eq=False)
class SharedBatch:
    """A batch in the making, and its runs as far as they exist; shared by all responses that need it."""

    batch: Batch
    plan: tuple[RunPlan, ...]
    cached: bool  # whether runs stay although no response holds them
    resized: Callable[[int], None]  # called with the change of `size` while `cached`
    responses: int = 1  # number of responses that have begun it
    size: int = 0  # bytes of the arena that its runs occupy
    digest: SharedDigest = field(default_factory=SharedDigest)  # of the bytes sent so far, by the first response
    trailer: bytes | None = None  # its last message, known once the batch was sent once
    runs: "list[Run | None]" = field(init=False)

    def __post_init__(self) -> None:
        self.runs = [None] * len(self.plan)

    @property
    def complete(self) -> bool:
        """Whether all of its bytes are known. A run that was removed and is made again is not there yet."""
        return self.trailer is not None and all(run is not None and run.succeeded for run in self.runs)

    def add(self, run: "Run") -> None:
        self.runs[run.plan.number] = run
        self.resize(run.slab.size)

    def remove(self, run: "Run") -> None:
        """Stop sharing a run, if it is shared."""
        if self.runs[run.plan.number] is run:
            self.runs[run.plan.number] = None
            self.resize(-run.slab.size)

    def resize(self, change: int) -> None:
        """Note that the runs occupy `change` more bytes."""
        self.size += change
        if self.cached:
            self.resized(change)

    def uncache(self) -> None:
        """Remove runs that no response holds, now and from now on."""
        if self.cached:
            self.cached = False
            self.resized(-self.size)
        for run in self.runs:
            if run is not None and not run.holders:
                self.remove(run)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Run:
    """Consecutive samples of a batch, from the request for them until their bytes are sent.

    A run in a slab of the arena's reserve is never shared: its request cannot progress without this memory.
    """

    batch: SharedBatch
    plan: RunPlan
    slab: Slab
    reply: "asyncio.Future[bytes]"  # the worker's, to the job of making this run
    holders: int = 1  # number of responses that hold it
    _result: RunResult | None = None

    def __post_init__(self) -> None:
        if not self.slab.reserved:
            self.batch.add(self)
        self.reply.add_done_callback(self._finish)

    def hold(self) -> "Run":
        self.holders += 1
        return self

    def release(self) -> None:
        """Count one holder less. A run that nobody holds and that is not made yet is never made."""
        self.holders -= 1
        if self.holders or (self.batch.cached and not self.slab.reserved and self._is_made()):
            return
        self.batch.remove(self)
        self.reply.cancel()

    async def wait(self) -> None:
        """Return when the run is made or has failed. Cancelling one waiter does not disturb the others."""
        if not self.reply.done():
            await asyncio.wait([self.reply])
        self._finish(self.reply)

    @property
    def result(self) -> RunResult:
        """The lengths of the messages that were made, and the problem of the sample that failed, if any.

        Raises `ServiceError` if the worker could not make any.
        """
        return self._result or RunResult.decode(self.reply.result())

    def view(self) -> memoryview:
        """Return the messages that were made. Raises like `result`."""
        return self.slab.view(0, sum(self.result.lengths))

    @property
    def succeeded(self) -> bool:
        """Whether all of its samples were made."""
        return self._is_made() and self.result.problem is None

    def _is_made(self) -> bool:
        return self.reply.done() and not self.reply.cancelled() and self.reply.exception() is None

    def _finish(self, _: object) -> None:
        """Read the reply, once, and release the part of the slab that the messages do not need."""
        if self._result is not None or not self._is_made():
            return
        self._result = RunResult.decode(self.reply.result())
        released = self.slab.shrink(sum(self._result.lengths))
        if self.batch.runs[self.plan.number] is self:
            self.batch.resize(-released)


class BatchCache:
    """The batches of all datasets that are being made or cached.

    Attributes:
        found: requested batches by how they were found: made (hit), being made (join), neither (miss).
        cached_bytes: bytes of the arena that runs of cached batches occupy.
        responses: number of responses that take runs now.
        paused: the responses that do not, because their clients do not read; those paused first come first.
        pinned_bytes: bytes of the arena that cannot be reused because the sockets of paused responses refer to them.
        shortages: how often a response could not prefetch a run because there was no memory for it.
    """

    def __init__(self, pool: WorkerPool, arena: Arena, planners: Sequence[Planner], limit: int) -> None:
        """Start empty.

        planners: of each dataset, by its number. limit: bytes that cached batches may occupy; 0 caches none.
        """
        self.pool = pool
        self.arena = arena
        self.found: dict[Literal["hit", "join", "miss"], int] = {"hit": 0, "join": 0, "miss": 0}
        self.cached_bytes = 0
        self.responses = 0
        self.paused: dict[Releasable, None] = {}
        self.pinned_bytes = 0
        self.shortages = 0
        self._planners = planners
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
            plan = self._planners[batch.dataset].plan(batch)
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

    def may_pin(self, size: int) -> bool:
        """Return whether a socket may refer to `size` bytes of the arena for as long as its client does not read."""
        return self.pinned_bytes + size <= self.arena.shared // PINNED_SHARE

    def evict(self) -> bool:
        """Release the runs of a paused response, or else the cached batch that was unused for longest.

        Returns False if there is neither.
        """
        paused = next(iter(self.paused), None)
        if paused is not None:
            paused.release()
            return True
        return self._evict_batch()

    def _evict_batch(self) -> bool:
        oldest = next((shared for shared in self._batches.values() if shared.cached), None)
        if oldest is None:
            return False
        if oldest.responses:
            oldest.uncache()
        else:
            self.forget(oldest)
        return True

    def take(self, shared: SharedBatch, number: int, owner: Hashable, held: int | None) -> Run | None:
        """Return a run of a batch, shared or started now, and hold it; None while there is no memory for it.

        owner: the response, which takes turns with others. held: bytes of the runs it holds, None if it holds none.
        """
        run = shared.runs[number]
        if run is not None:
            return run.hold()
        plan, header = shared.plan[number], shared.batch.header
        slab = self._borrow(plan.max_bytes, held)
        if slab is None or slab.reserved:
            self.shortages += 1
        if slab is None:
            return None
        keys, dataset = shared.batch.keys[plan.start : plan.stop], shared.batch.dataset
        job = RunJob(keys, header.augment, header.layout, plan.start, slab.offset, slab.capacity, dataset)
        run = Run(shared, plan, slab, self.pool.submit(job, owner, slab))
        self._runs.add(run)
        return run

    def _borrow(self, size: int, held: int | None) -> Slab | None:
        """Borrow within a response's share of the memory, which leaves as much for the next request; evict if need be.

        For a response that holds no run, the share does not matter, and the reserve helps out.
        """
        if held is not None and held + size > self.arena.shared // (self.responses + 1):
            return None
        while (slab := self.arena.borrow(size)) is None and size < self.arena.shared:
            if not self.evict():
                break
        return self.arena.borrow_reserved() if slab is None and held is None else slab

    def _resized(self, change: int) -> None:
        self.cached_bytes += change
        while self.cached_bytes > self._limit and self._evict_batch():
            pass
