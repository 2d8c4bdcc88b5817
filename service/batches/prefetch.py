"""What one response has under way: the runs of this step and of the next ones, as far ahead as it may work."""

import asyncio
from collections import deque
from collections.abc import Iterator

from service.batches.cache import Run, SharedBatch
from service.batches.run_source import RunSource
from service.batches.selection import Batch

JOBS_PER_WORKER = 3
"""Runs of one response that are not made yet, for each worker: enough to keep all busy."""


class Lookahead:
    """Takes the runs of batch after batch, in order, ahead of their being sent. To be closed."""

    def __init__(self, source: RunSource, batches: Iterator[Batch], steps_ahead: int, stall_seconds: float) -> None:
        """steps_ahead: how many batches may be begun before the current one is sent."""
        self._stall_seconds = stall_seconds
        self._source = source
        self._batches: Iterator[Batch] | None = batches
        self._steps_ahead = steps_ahead
        self._begun: deque[SharedBatch] = deque()
        self._next = 0
        self._window: deque[tuple[SharedBatch, int, Run]] = deque()
        self._held = 0
        self._pending = 0
        self._closed = False
        source.takers += 1

    def current(self) -> SharedBatch | None:
        """Return the batch to be sent now, or None after the last."""
        if not self._begun:
            self._begin()
        return self._begun[0] if self._begun else None

    def hold_whole(self) -> bool:
        """Take all runs of the current batch if all of them are there; say whether they are."""
        shared = self.current()
        if shared is None or not shared.complete:
            return False
        for run in shared.runs[self._next :]:
            if run is not None:
                run.users += 1
                self._take(shared, run)
        return True

    def fail(self) -> None:
        """A sample of the current batch failed: nobody else is to share it."""
        self._source.cache.forget(self._begun[0])

    def begin_no_more(self) -> None:
        """Begin no further batch."""
        self._batches = None

    async def head(self) -> Run:
        """Return the run to be sent now, once it is made, or has failed.

        Raises TimeoutError when the client takes nothing of what was sent, for too long to go on without its memory.
        """
        self._fill()
        while not self._window:  # all memory is held by others, or by what this response has just sent
            async with asyncio.timeout(self._stall_seconds):
                await self._source.arena.more_room()
            self._fill()
        shared, _, run = self._window[0]
        await self._source.made(shared, run)
        return run

    def sent(self) -> None:
        """The run at the head is on its way; go on to the next."""
        self._give(*self._window.popleft())

    def end_batch(self) -> None:
        """The current batch is sent; go on to the next."""
        self._source.cache.leave(self._begun.popleft())

    def close(self) -> None:
        """Give everything back. What is not made yet, and nobody else wants, is never made."""
        if self._closed:
            return
        self._closed = True
        self._source.takers -= 1
        while self._window:
            self._give(*self._window.popleft())
        while self._begun:
            self._source.cache.leave(self._begun.popleft())

    def _fill(self) -> None:
        """Take runs as far ahead as workers, memory and the steps allow."""
        while not self._closed and self._pending < JOBS_PER_WORKER * self._source.pool.size:
            if (not self._begun or self._next == len(self._begun[-1].plan)) and not self._begin():
                return
            shared = self._begun[-1]
            run = self._source.take(shared, self._next, self, self._held if self._window else None)
            if run is None:
                return
            self._take(shared, run)

    def _take(self, shared: SharedBatch, run: Run) -> None:
        self._window.append((shared, self._next, run))
        self._next += 1
        self._held += run.plan.room
        if not run.answer.done():
            self._pending += 1
            run.answer.add_done_callback(self._made)

    def _made(self, _: "asyncio.Future[bytes]") -> None:
        self._pending -= 1
        self._fill()

    def _give(self, shared: SharedBatch, place: int, run: Run) -> None:
        self._held -= run.plan.room
        self._source.give(shared, place, run)

    def _begin(self) -> bool:
        """Begin the next batch if there is one and the steps allow it; say whether it was begun."""
        if self._batches is None or len(self._begun) > self._steps_ahead:
            return False
        batch = next(self._batches, None)
        if batch is None:
            self._batches = None
            return False
        self._begun.append(self._source.open(batch))
        self._next = 0
        return True
