"""Prefetch: the runs that one response has under way, of the step that is being sent and of the next ones.

The prefetch of a paused response takes no runs, and others may have its memory. Then only its position is left: the
batches and the number of runs sent. When the response resumes, the remaining runs are made again.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from service.batches.cache import BatchCache, Run, SharedBatch
from service.batches.selection import Batch
from service.batches.shared_digest import SharedDigest

JOBS_PER_WORKER = 3
"""Most runs of one response per worker that are not made yet: enough to keep all workers busy."""


class Prefetch:
    """Takes the runs of batch after batch, in order, ahead of their being sent. Call `close()` when done."""

    def __init__(self, cache: BatchCache, batches: Iterable[Batch], steps_ahead: int) -> None:
        """Take nothing yet.

        steps_ahead: how many batches may be begun before the current one is sent.
        """
        self._cache = cache
        self._batches: Iterator[Batch] = iter(batches)
        self._released: deque[Batch] = deque()  # batches that were begun, and are begun again before others
        self._digest: SharedDigest | None = None  # of the first of them, as far as it was sent
        self._steps_ahead = steps_ahead
        self._begun: deque[SharedBatch] = deque()
        self._next_number = 0
        self._runs_sent = 0  # of the current batch
        self._window: deque[Run] = deque()
        self._window_bytes = 0
        self._pending = 0
        self._stopped = False  # whether no runs are taken
        cache.responses += 1

    @property
    def batch(self) -> SharedBatch:
        """The batch to send now, after `begin`. It is another object after a pause."""
        return self._begun[0]

    @property
    def first(self) -> Run:
        """The run to send now, after `next_run`. It is another object after a pause."""
        return self._window[0]

    def begin(self) -> bool:
        """Begin the batch to send now, unless it is begun. Return False after the last."""
        return bool(self._begun) or self._begin_batch()

    def hold_complete(self) -> None:
        """Hold all runs of the current batch, which is complete and of which none was taken."""
        for run in self._begun[0].runs:
            if run is not None:
                self._append(run.hold())

    async def next_run(self) -> None:
        """Wait until the run to send now is made or has failed.

        It waits for memory only while workers still write runs that nobody needs any more: each admitted request that
        holds no run may have one in the reserve.
        """
        self._fill()
        while not self._window:
            await self._cache.arena.wait_for_release()
            self._fill()
        await self._window[0].wait()

    def run_sent(self) -> None:
        """Go on to the next run."""
        self._runs_sent += 1
        self._pop_run()

    def batch_sent(self) -> None:
        """Go on to the next batch."""
        self._runs_sent = 0
        self._cache.close(self._begun.popleft())

    def fail(self) -> None:
        """Have no other response share the current batch, because one of its samples failed."""
        self._cache.forget(self._begun[0])

    def stop(self) -> None:
        """Begin no further batch."""
        self._batches = iter(())
        self._released.clear()

    def pause(self) -> None:
        """Take no runs, give up those that are not made yet, and let others have the memory of the rest."""
        self._stopped = True
        self._cache.responses -= 1
        self._cache.paused[self] = None
        if any(run.slab.reserved for run in self._window):
            self.release()  # the reserve is for those that are served
        while self._window and not self._window[-1].reply.done():
            self._give_up_last()

    def release(self) -> None:
        """Release all runs of a paused response."""
        self._cache.paused.pop(self, None)
        if self._begun:
            self._digest = self._begun[0].digest
        self._released.extendleft(shared.batch for shared in reversed(self._begun))
        self._drop_all()

    def resume(self) -> None:
        """Take runs again, from the first that was not sent."""
        self._cache.responses += 1
        self._cache.paused.pop(self, None)
        self._stopped = False
        if self._digest is not None and self._begin_batch():
            self._begun[0].digest = self._begun[0].digest.further(self._digest)
            self._next_number = self._runs_sent
        self._digest = None

    def close(self) -> None:
        """Release everything. What is not made yet, and no other response needs, is never made."""
        if not self._stopped:
            self._cache.responses -= 1
        self._stopped = True
        self._cache.paused.pop(self, None)
        self._drop_all()

    def _drop_all(self) -> None:
        while self._window:
            self._pop_run()
        while self._begun:
            self._cache.close(self._begun.popleft())

    def _pop_run(self) -> None:
        run = self._window.popleft()
        self._window_bytes -= run.plan.max_bytes
        run.release()

    def _give_up_last(self) -> None:
        """Release the last run that was taken, as if it had not been."""
        if not self._next_number:  # it is of the batch before
            shared = self._begun.pop()
            self._released.appendleft(shared.batch)
            self._cache.close(shared)
            self._next_number = len(self._begun[-1].plan)
        self._next_number -= 1
        run = self._window.pop()
        self._window_bytes -= run.plan.max_bytes
        run.release()

    def _fill(self) -> None:
        """Take runs as far ahead as workers, memory and steps allow."""
        while not self._stopped and self._pending < JOBS_PER_WORKER * self._cache.pool.size:
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
        batch = self._released.popleft() if self._released else next(self._batches, None)
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
