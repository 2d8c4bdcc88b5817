"""Prefetch: the runs that one response has under way, of the step that is being sent and of the next ones."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

from service.batches.cache import BatchCache, Run, SharedBatch
from service.batches.selection import Batch

JOBS_PER_WORKER = 3
"""Most runs of one response per worker that are not made yet: enough to keep all workers busy."""


class Prefetch:
    """Takes the runs of batch after batch, in order, ahead of their being sent. Call `close()` when done."""

    def __init__(self, cache: BatchCache, batches: Iterable[Batch], steps_ahead: int, stall_seconds: float) -> None:
        """Take nothing yet.

        steps_ahead: how many batches may be begun before the current one is sent.
        stall_seconds: time to wait for memory that the response's own client may hold.
        """
        self._cache = cache
        self._batches: Iterator[Batch] = iter(batches)
        self._steps_ahead = steps_ahead
        self._stall_seconds = stall_seconds
        self._begun: deque[SharedBatch] = deque()
        self._next_number = 0
        self._window: deque[Run] = deque()
        self._window_bytes = 0
        self._pending = 0
        self._closed = False
        cache.responses += 1

    def current(self) -> SharedBatch | None:
        """Return the batch to send now, or None after the last."""
        if not self._begun:
            self._begin_batch()
        return self._begun[0] if self._begun else None

    def hold_complete(self) -> None:
        """Hold all runs of the current batch, which is complete and of which none was taken."""
        for run in self._begun[0].runs:
            if run is not None:
                self._append(run.hold())

    async def next_run(self) -> Run:
        """Return the run to send now, once it is made or has failed.

        Raises TimeoutError if there is no memory, because the client does not read what was sent.
        """
        self._fill()
        while not self._window:  # others, or what this response has just sent, hold all memory
            async with asyncio.timeout(self._stall_seconds):
                await self._cache.arena.wait_for_release()
            self._fill()
        await self._window[0].wait()
        return self._window[0]

    def run_sent(self) -> None:
        """Go on to the next run."""
        run = self._window.popleft()
        self._window_bytes -= run.plan.max_bytes
        run.release()

    def batch_sent(self) -> None:
        """Go on to the next batch."""
        self._cache.close(self._begun.popleft())

    def fail(self) -> None:
        """Have no other response share the current batch, because one of its samples failed."""
        self._cache.forget(self._begun[0])

    def stop(self) -> None:
        """Begin no further batch."""
        self._batches = iter(())

    def close(self) -> None:
        """Release everything. What is not made yet, and no other response needs, is never made."""
        self._closed = True
        self._cache.responses -= 1
        while self._window:
            self.run_sent()
        while self._begun:
            self.batch_sent()

    def _fill(self) -> None:
        """Take runs as far ahead as workers, memory and steps allow."""
        while not self._closed and self._pending < JOBS_PER_WORKER * self._cache.pool.size:
            if (not self._begun or self._next_number == len(self._begun[-1].plan)) and not self._begin_batch():
                return
            held = self._window_bytes if self._window else None
            run = self._cache.take(self._begun[-1], self._next_number, self, held)
            if run is None:
                return
            self._append(run)

    def _begin_batch(self) -> bool:
        """Begin the next batch; return False if there is none or the steps do not allow it yet."""
        if len(self._begun) > self._steps_ahead:
            return False
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._begun.append(self._cache.open(batch))
        self._next_number = 0
        return True

    def _append(self, run: Run) -> None:
        self._window.append(run)
        self._window_bytes += run.plan.max_bytes
        self._next_number += 1
        if not run.reply.done():
            self._pending += 1
            run.reply.add_done_callback(self._run_made)

    def _run_made(self, _: object) -> None:
        self._pending -= 1
        self._fill()
