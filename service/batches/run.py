"""Runs, and the batches in the making that they belong to.

A run is consecutive samples of one batch, made by one worker into one slab. Every response that needs a run holds it
until its bytes are sent. When the last response releases it, the run stays only if its batch is cached.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from service.arena import Slab
from service.batches.plan import RunPlan
from service.batches.selection import Batch
from service.errors.problems import JobError
from service.workers.protocol import RunResult


@dataclass(slots=True, eq=False)
class SharedBatch:
    """A batch in the making, and its runs as far as they exist; shared by all responses that need it.

    Attributes:
        cached: whether runs stay although no response holds them.
        resized: called with the change of `size` while `cached`.
        responses: number of responses that have begun it.
        size: bytes of the arena that its runs occupy.
        trailer: its last message, known once the batch was sent once.
    """

    batch: Batch
    plan: tuple[RunPlan, ...]
    cached: bool
    resized: Callable[[int], None]
    responses: int = 1
    size: int = 0
    trailer: bytes | None = None
    runs: "list[Run | None]" = field(init=False)

    def __post_init__(self) -> None:
        self.runs = [None] * len(self.plan)

    @property
    def complete(self) -> bool:
        """Whether all of its bytes are known. A run that was removed and is made again is not there yet."""
        return self.trailer is not None and all(run is not None and run.succeeded for run in self.runs)

    def add(self, run: "Run") -> None:
        """Share a run."""
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

    Attributes:
        reply: the worker's, to the job of making this run.
        holders: number of responses that hold it.
    """

    batch: SharedBatch
    plan: RunPlan
    slab: Slab
    reply: "asyncio.Future[bytes]"
    holders: int = 1
    _result: RunResult | None = None

    def __post_init__(self) -> None:
        if not self.slab.reserved:
            self.batch.add(self)
        self.reply.add_done_callback(self._finish)

    def hold(self) -> "Run":
        """Count one more holder."""
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

    def check(self) -> None:
        """Raise `JobError` if a sample failed. The messages before it were made."""
        problem = self.result.problem
        if problem is not None:
            raise JobError(problem)

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
