"""The worker pool: a queue of jobs, and processes that make them.

Whoever asks has a lane of its own in the queue, and lanes take turns. A worker that dies is replaced and its jobs are
put back in front of the queue; the answers are the same bytes, since a sample does not depend on who makes it. A job
that ends its worker again and again is given up.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

import msgpack

from service.arena import Arena, Slab
from service.errors.problems import JobError, ServiceError
from service.workers.fair_queue import FairQueue
from service.workers.process import WorkerProcess, WorkerSetup
from service.workers.protocol import Job, Outcome, Reply, RunJob

log = logging.getLogger("saccade_sampler.pool")

AHEAD_OF_WORKER = 2
"""Jobs that a worker has been given: one under way and one waiting, so that it never waits for the server."""

ATTEMPTS = 3
"""How often a job is begun before it is taken to be what ends the workers."""

LONGEST_PAUSE = 5.0
"""Seconds between attempts to start a worker that keeps dying, at most."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A job on its way through the pool, and the slab it is written to, which it keeps from being lent again.

    attempts: how often the sample that no worker has got past was begun. furthest: samples of a run that the worker
    which got furthest wrote. seen: how many were written when it was last looked at.
    """

    number: int
    job: Job | RunJob
    answer: "asyncio.Future[bytes]"
    slab: Slab | None = None
    attempts: int = 0
    furthest: int = 0
    seen: int = 0

    @property
    def written(self) -> int:
        """How many samples of a run its worker has written, or had when it ended."""
        return self.slab.progress if self.slab else 0

    def is_moving(self) -> bool:
        """Whether another number of samples is written than when this was last asked."""
        before, self.seen = self.seen, self.written
        return self.seen != before

    def got_further(self) -> bool:
        """Whether its worker wrote more than any before. Not what was seen meanwhile: a new worker begins at 0."""
        before, self.furthest = self.furthest, max(self.furthest, self.written)
        return self.furthest > before

    @property
    def culprit(self) -> dict[str, int]:
        """The key of the sample that is being made, or was when the worker ended."""
        key = self.job.keys[min(self.written, len(self.job.keys) - 1)] if isinstance(self.job, RunJob) else self.job.key
        return key.as_dict()


@dataclass(slots=True, eq=False)
class Seat:
    """A place for a worker: the process that holds it now, if any, and the jobs it was given, oldest first."""

    process: WorkerProcess | None = None
    given: deque[Ticket] = field(default_factory=deque)
    since: float = 0.0

    @property
    def room(self) -> bool:
        """Whether this seat can be given another job."""
        return self.process is not None and len(self.given) < AHEAD_OF_WORKER


class WorkerPool:
    """Runs jobs on `size` worker processes. All methods belong to one event loop."""

    def __init__(self, setup: WorkerSetup, size: int, job_seconds: float, arena: Arena | None = None) -> None:
        """job_seconds: time for one sample, after which its worker is replaced. arena: where runs are written."""
        self._setup = setup
        self._descriptor = None if arena is None else arena.descriptor
        self._job_seconds = job_seconds
        self._seats = [Seat() for _ in range(size)]
        self._queue: FairQueue[Ticket] = FairQueue()
        self._numbers = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[WorkerProcess] = set()
        self.restarts = 0

    @property
    def alive(self) -> int:
        """How many workers are ready for jobs."""
        return sum(seat.process is not None for seat in self._seats)

    @property
    def size(self) -> int:
        """How many workers there should be."""
        return len(self._seats)

    @property
    def queued(self) -> int:
        """How many samples wait for a worker."""
        return sum(len(ticket.job.keys) if isinstance(ticket.job, RunJob) else 1
                   for ticket in self._queue if not ticket.answer.done())  # fmt: skip

    @property
    def process_ids(self) -> list[int]:
        """The ids of the worker processes that are ready."""
        return [seat.process.pid for seat in self._seats if seat.process]

    async def start(self) -> None:
        """Start all workers and wait until each is ready. Raises `ServiceError` when one cannot start."""
        processes = await asyncio.gather(
            *(WorkerProcess.start(self._setup, self._descriptor) for _ in self._seats), return_exceptions=True
        )
        failures = [outcome for outcome in processes if isinstance(outcome, BaseException)]
        for seat, process in zip(self._seats, processes, strict=True):
            if isinstance(process, WorkerProcess):
                seat.process = process
        if failures:
            await self.stop()
            raise failures[0]
        self._tasks = [asyncio.create_task(self._keep(seat)) for seat in self._seats]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """End all workers; jobs that are not done are cancelled. Leaves no process behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for ticket in [*self._queue, *(ticket for seat in self._seats for ticket in seat.given)]:
            ticket.answer.cancel()
        self._queue.clear()
        processes = [*(seat.process for seat in self._seats if seat.process), *self._ending]
        for seat in self._seats:
            seat.process = None
        await asyncio.gather(*(process.end() for process in processes))

    def submit(self, job: Job | RunJob, lane: Hashable = None, slab: Slab | None = None) -> "asyncio.Future[bytes]":
        """Queue a job; the future gives its bytes, or raises `ServiceError` with the problem a worker found.

        lane: who asks; lanes are served in turn. slab: where a run goes; it is held until the job is over.
        Cancel the future when the answer is not wanted any more: a job that has not begun is then never made.
        """
        self._numbers += 1
        ticket = Ticket(self._numbers, job, asyncio.get_running_loop().create_future(), slab)
        self._queue.put(lane, ticket)
        self._hand_out()
        return ticket.answer

    def _hand_out(self) -> None:
        while self._queue and (seat := min(self._open_seats(), key=lambda seat: len(seat.given), default=None)):
            ticket = self._queue.take()
            if ticket.answer.done():
                continue
            if not seat.given:
                self._begin(seat, ticket)
            seat.given.append(ticket)
            if seat.process:
                seat.process.send(ticket.job.encode(ticket.number))

    def _open_seats(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.room]

    def _begin(self, seat: Seat, ticket: Ticket) -> None:
        ticket.attempts += 1
        seat.since = asyncio.get_running_loop().time()

    async def _keep(self, seat: Seat) -> None:
        """Read a worker's answers; when it dies, put its jobs back and start another, for ever."""
        pause = 0.0
        while True:
            if seat.process is None:
                pause = await self._restart(seat, pause)
                continue
            try:
                await self._read_replies(seat, seat.process)
            except OSError as error:
                log.error("worker %d: %s", seat.process.pid, error)
            process, seat.process = seat.process, None
            self._ending.add(process)  # a stop amid its end waits for it too
            code = await process.end()
            self._ending.discard(process)
            log.warning("worker %d ended (%s) and is replaced", process.pid, _how(code))
            self.restarts += 1
            self._put_back(seat)

    async def _restart(self, seat: Seat, pause: float) -> float:
        await asyncio.sleep(pause)
        try:
            seat.process = await WorkerProcess.start(self._setup, self._descriptor)
        except ServiceError as error:
            log.error("a worker cannot start: %s", error)
            return min(LONGEST_PAUSE, max(0.1, 2 * pause))
        self._hand_out()
        return 0.0

    async def _read_replies(self, seat: Seat, process: WorkerProcess) -> None:
        """Read replies until the worker is gone. Raises OSError for a reply that cannot be right."""
        while (reply := await process.reply()) is not None:
            if not seat.given or seat.given[0].number != reply.number:
                raise ConnectionError(f"a reply to job {reply.number}, which the worker was not given")
            ticket = seat.given.popleft()
            if seat.given:
                self._begin(seat, seat.given[0])
            _settle(ticket, reply)
            del ticket  # its slab is not to wait for the next answer
            self._hand_out()

    def _put_back(self, seat: Seat) -> None:
        for ticket in reversed(seat.given):
            if ticket.got_further():
                ticket.attempts = 1  # an earlier sample of the run was the one that ended workers before
            if ticket.attempts >= ATTEMPTS:
                _fail(ticket, f"sample {ticket.culprit} ended its worker {ATTEMPTS} times and is given up")
            else:
                self._queue.put_first(ticket)
        seat.given.clear()
        self._hand_out()

    async def _watch(self) -> None:
        """Replace workers that sit on one job for too long."""
        while True:
            await asyncio.sleep(min(1.0, self._job_seconds / 4))
            now = asyncio.get_running_loop().time()
            for seat in self._seats:
                if not seat.process or not seat.given:
                    continue
                if seat.given[0].is_moving():
                    seat.since = now
                elif now - seat.since > self._job_seconds:
                    log.error("worker %d made no progress for %g s and is ended", seat.process.pid, now - seat.since)
                    seat.process.kill()
                    seat.since = now


def _settle(ticket: Ticket, reply: Reply) -> None:
    if ticket.answer.done():
        return
    if reply.outcome is Outcome.DONE:
        ticket.answer.set_result(reply.payload)
    else:
        ticket.answer.set_exception(JobError(msgpack.unpackb(reply.payload)))


def _fail(ticket: Ticket, detail: str) -> None:
    if not ticket.answer.done():
        ticket.answer.set_exception(ServiceError("worker", detail, ticket.culprit))


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"status {code}"
