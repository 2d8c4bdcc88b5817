"""Where responses get runs from: those that are there already, or workers, into memory that is shared fairly."""

from collections.abc import Hashable
from dataclasses import dataclass

from service.arena import Arena, Slab
from service.batches.admission import Budget
from service.batches.cache import BatchCache, Run, SharedBatch
from service.batches.plan import BatchPlanner, RunPlan
from service.batches.selection import Batch
from service.workers.pool import WorkerPool
from service.workers.protocol import Job, RunJob


@dataclass(slots=True)
class RunSource:
    """Gives runs. budget: the arena's shared part, as lent to responses. takers: responses that take runs now."""

    pool: WorkerPool
    arena: Arena
    budget: Budget
    cache: BatchCache
    planner: BatchPlanner
    takers: int = 0

    def open(self, batch: Batch) -> SharedBatch:
        """Return a batch to take runs of, shared with those who ask for the same."""
        return self.cache.get(batch) or self.cache.add(batch, self.planner.plan(batch))

    @property
    def share(self) -> int:
        """Bytes of the shared memory that one response may hold; as much is left to whoever comes next."""
        return self.budget.total // (self.takers + 1)

    def take(self, shared: SharedBatch, place: int, lane: Hashable, ahead: int | None) -> Run | None:
        """Return a run, made or being made, or None while there is no memory for it.

        ahead: bytes that the response holds already, which bound what it may have made ahead; None when it has
        nothing under way. Then it gets memory of the reserve where others hold all of the shared part.
        """
        run = shared.runs[place]
        if run is not None:
            run.users += 1
            return run
        plan = shared.plan[place]
        if ahead is not None and ahead + plan.room > self.share:
            return None
        slab = self._slab(plan.room)
        if slab is None and ahead is None:
            if plan.room > self.arena.reserved_room:
                return self._too_large(shared, plan, lane)
            slab = self.arena.take_reserved()
        return None if slab is None else self._make(shared, place, lane, slab)

    def give(self, shared: SharedBatch, place: int, run: Run) -> None:
        """Take a run back from one who held it; a run that nobody holds and that is not made is never made."""
        run.users -= 1
        if run.users:
            return
        self.budget.give(run.lent)
        run.lent = 0
        made = run.answer.done() and not run.answer.cancelled() and run.answer.exception() is None
        if not run.private and shared.runs[place] is run and not (made and shared.kept):
            self.cache.drop(shared, place)
        run.answer.cancel()

    def _slab(self, room: int) -> Slab | None:
        while (slab := self.arena.take(room)) is None and room < self.arena.shared:
            if not self.cache.make_room():
                break
        return slab

    def _make(self, shared: SharedBatch, place: int, lane: Hashable, slab: Slab) -> Run:
        plan, header = shared.plan[place], shared.batch.header
        keys = shared.batch.keys[plan.start : plan.stop]
        job = RunJob(keys, plan.start, header.augment, header.layout, slab.offset, slab.room)
        run = Run(plan, self.pool.submit(job, lane, slab), slab, private=slab.reserved)
        if not run.private:
            run.lent = slab.size if self.budget.take(slab.size) else 0
            self.cache.put(shared, place, run)
        run.answer.add_done_callback(lambda _: self._settle(shared, run))
        return run

    def _too_large(self, shared: SharedBatch, plan: RunPlan, lane: Hashable) -> Run:
        """One sample that no slab is sure to hold travels through the worker's socket."""
        header = shared.batch.header
        job = Job("sample", shared.batch.keys[plan.start], header.augment, header.layout, plan.start)
        run = Run(plan, self.pool.submit(job, lane), None, private=True)
        run.answer.add_done_callback(lambda _: self._settle(shared, run))
        return run

    def _settle(self, shared: SharedBatch, run: Run) -> None:
        back = run.settle()
        if run.lent:
            self.budget.give(back)
            run.lent -= back
        if not run.private and run in shared.runs:
            self.cache.count(shared, -back)

    async def made(self, shared: SharedBatch, run: Run) -> None:
        """Wait until a run is made, or has failed. Whoever stops waiting disturbs nobody else who waits for it."""
        if not run.answer.done():
            waiting = run.answer.get_loop().create_future()
            run.answer.add_done_callback(lambda _: None if waiting.done() else waiting.set_result(None))
            await waiting
        self._settle(shared, run)
