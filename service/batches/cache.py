"""Batches that are being made or were made of late, so that whoever asks for the same one shares it.

A batch is its runs. Who wants a run holds it; a run that nobody holds is forgotten, unless its batch is kept. Kept
batches are let go, the one longest unused first, when they are too many bytes or when others need their memory.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from service.arena import Slab
from service.batches.plan import RunPlan
from service.batches.selection import Batch
from service.errors.problems import JobError
from service.workers.protocol import RunAnswer

LARGEST_SHARE = 2
"""A batch is kept if it takes at most one part in so many of the cache."""

Found = Literal["hit", "join", "miss"]


@dataclass(slots=True, eq=False)
class Run:
    """Consecutive samples of a batch on their way to those who want them.

    slab: where they are, None for one sample too large for any slab, whose message is the answer itself.
    private: made in memory that its only user cannot do without, so nobody else may hold it.
    """

    plan: RunPlan
    answer: "asyncio.Future[bytes]"
    slab: Slab | None
    private: bool
    users: int = 1
    lent: int = 0
    size: int = 0
    lengths: tuple[int, ...] | None = None
    problem: dict[str, object] | None = None

    def settle(self) -> int:
        """Take note of what the worker answered; return how many bytes of the slab were not needed."""
        if self.lengths is not None or not self.answer.done() or self.answer.cancelled() or self.answer.exception():
            return 0
        payload = self.answer.result()
        if self.slab is None:
            self.lengths, self.size = (len(payload),), len(payload)
            return 0
        answer = RunAnswer.decode(payload)
        self.lengths, self.problem, self.size = answer.lengths, answer.problem, sum(answer.lengths)
        return self.slab.shrink(self.size)

    def view(self) -> memoryview:
        """Return the messages. Raises what kept the worker from making any."""
        payload = self.answer.result()
        return memoryview(payload) if self.slab is None else self.slab.view(0, self.size)

    def check(self) -> None:
        """Raise the problem of the sample that failed, if one did."""
        if self.problem is not None:
            raise JobError(self.problem)


@dataclass(slots=True, eq=False)
class SharedBatch:
    """A batch and those of its runs that are there.

    users: responses that have begun it. size: bytes of its runs. trailer: its last message, once all of it was sent.
    """

    batch: Batch
    plan: tuple[RunPlan, ...]
    runs: list[Run | None]
    kept: bool
    users: int = 0
    size: int = 0
    trailer: bytes | None = None

    @property
    def complete(self) -> bool:
        """Whether all of it is there, to the last byte."""
        return self.trailer is not None and None not in self.runs


@dataclass(slots=True)
class BatchCache:
    """All shared batches. limit: bytes that kept ones may take, 0 to keep none."""

    limit: int
    held: int = 0
    found: dict[Found, int] = field(default_factory=lambda: {"hit": 0, "join": 0, "miss": 0})
    _batches: "OrderedDict[Batch, SharedBatch]" = field(default_factory=OrderedDict)

    def get(self, batch: Batch) -> SharedBatch | None:
        """Return a batch that is made or being made, its user counted, or None; note which."""
        shared = self._batches.get(batch)
        if shared is None:
            self.found["miss"] += 1
            return None
        self.found["hit" if shared.complete else "join"] += 1
        self._batches.move_to_end(batch)
        shared.users += 1
        return shared

    def add(self, batch: Batch, plan: tuple[RunPlan, ...]) -> SharedBatch:
        """Begin a batch, with one user."""
        kept = sum(run.room for run in plan) <= self.limit // LARGEST_SHARE
        shared = self._batches[batch] = SharedBatch(batch, plan, [None] * len(plan), kept, users=1)
        return shared

    def put(self, shared: SharedBatch, place: int, run: Run) -> None:
        """Add a run that others may share."""
        shared.runs[place] = run
        self.count(shared, run.slab.size if run.slab else 0)

    def count(self, shared: SharedBatch, change: int) -> None:
        """Note that the runs of a batch take so many bytes more, and make room for them."""
        shared.size += change
        if shared.kept:
            self.held += change
            while self.held > self.limit and self.make_room():
                pass

    def drop(self, shared: SharedBatch, place: int) -> None:
        """Forget a run."""
        run, shared.runs[place] = shared.runs[place], None
        if run is not None:
            self.count(shared, -run.slab.size if run.slab else 0)

    def leave(self, shared: SharedBatch) -> None:
        """One user less. A batch that was left halfway is not kept."""
        shared.users -= 1
        if not shared.users and not (shared.kept and shared.complete):
            self.forget(shared)

    def forget(self, shared: SharedBatch) -> None:
        """Have nobody else share a batch from now on: whoever asks for it again has it made again."""
        self._let_go(shared)
        if self._batches.get(shared.batch) is shared:
            del self._batches[shared.batch]

    def make_room(self) -> bool:
        """Let the kept batch go that is longest unused; return False when none is kept."""
        oldest = next((shared for shared in self._batches.values() if shared.kept), None)
        if oldest is None:
            return False
        if oldest.users:
            self._let_go(oldest)
        else:
            self.forget(oldest)
        return True

    def _let_go(self, shared: SharedBatch) -> None:
        if shared.kept:
            shared.kept = False
            self.held -= shared.size
        for place, run in enumerate(shared.runs):
            if run is not None and not run.users:
                self.drop(shared, place)
