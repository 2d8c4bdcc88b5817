"""The worker pool: a fair queue of jobs, and the processes that do them.

A worker that dies is replaced, and its jobs go back to the front of the queue. The bytes are the same, since a sample
does not depend on who makes it. A job that ends its worker again and again is given up.
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import msgpack

from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.errors import SamplerError
from sampler.ipc.async_frames import AsyncFrameSocket
from sampler.ipc.child_process import ChildProcess
from sampler.system_errors import explain
from service.arena import Slab
from service.errors.problems import JobError, ServiceError
from service.workers.fair_queue import FairQueue
from service.workers.notices import Notice
from service.workers.protocol import Job, Outcome, Reply, WorkerSetup, encode_job

log = logging.getLogger("saccade_sampler.pool")

JOBS_PER_WORKER = 2
"""Jobs sent to a worker: one under way and one waiting, so that the worker never waits for the server."""

ATTEMPTS = 3
"""How often a job is begun before it is considered the cause of its workers' deaths."""

MAX_PAUSE = 5.0
"""Longest pause, in seconds, between attempts to start a worker."""

START_SECONDS = 60.0
"""Time for a worker to import its libraries and open the dataset."""

COMPILE_SECONDS = 600.0
"""Time for a worker that has to compile the kernels first, or to wait for another that does."""

END_SECONDS = 2.0
"""Time for a worker to exit once its socket is closed, before it is killed."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A job on its way through the pool."""

    number: int
    job: Job
    reply: "asyncio.Future[bytes]"  # the payload of the worker's reply
    slab: Slab | None = None  # where a run is written; not borrowed again before the job is over
    attempts: int = 0  # how often the sample that no worker has got past was begun
    furthest: int = 0  # samples of a run that the most successful worker has written
    seen: int = 0  # samples written when progress was last checked

    @property
    def written(self) -> int:
        """How many samples of a run its worker has written, or had written when it died."""
        return self.slab.progress if self.slab else 0

    @property
    def culprit(self) -> dict[str, int]:
        """The key of the sample that is being made, or was when the worker died."""
        return self.job.keys[min(self.written, len(self.job.keys) - 1)].as_dict()

    def is_moving(self) -> bool:
        """Return whether the number of samples written has changed since this was last called."""
        before, self.seen = self.seen, self.written
        return self.seen != before

    def got_further(self) -> bool:
        """Return whether its worker wrote more samples than any before it."""
        # Not from `seen`: each worker begins at 0, and may die before progress is checked.
        before, self.furthest = self.furthest, max(self.furthest, self.written)
        return self.furthest > before

    def finish(self, reply: Reply) -> None:
        """Pass on the worker's reply, if anyone still waits for it."""
        if self.reply.done():
            return
        if reply.outcome is Outcome.DONE:
            self.reply.set_result(reply.payload)
        else:
            self.reply.set_exception(JobError(msgpack.unpackb(reply.payload)))

    def give_up(self) -> None:
        """Fail, because no worker survives the job."""
        if not self.reply.done():
            detail = f"sample {self.culprit} ended its worker {ATTEMPTS} times and is given up"
            self.reply.set_exception(ServiceError("worker", detail, self.culprit))


class WorkerProcess:
    """A running worker and the connection to it."""

    def __init__(self, child: ChildProcess, frames: AsyncFrameSocket) -> None:
        self._child = child
        self._frames = frames

    @property
    def pid(self) -> int:
        return self._child.pid

    @classmethod
    async def start(cls, setup: WorkerSetup, on_compile: Callable[[], None] = lambda: None) -> Self:
        """Start a worker and wait until it is ready. Raises `ServiceError`, with the reason, if it cannot start.

        on_compile: Called if the worker has to wait for the kernels to be compiled.
        """
        child = None
        try:
            child = ChildProcess("service.workers.main", setup.descriptors)
            child.start()
            worker = cls(child, await AsyncFrameSocket.connect(child.detach_socket()))
        except BaseException as error:  # the server may be stopped at any moment; no process may be left behind
            if child is not None:
                child.end(0)
            if isinstance(error, OSError):
                cause = explain(error, sys.executable, "make it possible to run this program")
                raise ServiceError("worker", f"a worker did not start: {cause}") from error
            raise
        await worker._wait_until_ready(setup, on_compile)
        return worker

    async def _wait_until_ready(self, setup: WorkerSetup, on_compile: Callable[[], None]) -> None:
        self._frames.send(setup.encode())
        reply = status = None
        try:
            with suppress(ConnectionError, TimeoutError):  # reported below, with the exit status
                async with asyncio.timeout(START_SECONDS) as limit:
                    first = await self.reply()
                    compiling = first is not None and first.outcome is Outcome.COMPILING
                    if compiling:
                        on_compile()
                        limit.reschedule(asyncio.get_running_loop().time() + COMPILE_SECONDS)
                    reply = await self.reply() if compiling else first
        finally:
            if reply is None or reply.outcome is not Outcome.READY:
                self.kill()
                status = await self.end()
        if reply is not None and reply.outcome is Outcome.READY:
            return
        if reply is None:
            raise ServiceError("worker", f"a worker did not start: it exited with status {status}")
        raise ServiceError("worker", str(msgpack.unpackb(reply.payload)["detail"]))

    def send(self, job: bytes) -> None:
        """Send an encoded job. Does nothing if the worker is gone, which `reply` reports."""
        self._frames.send(job)

    async def reply(self) -> Reply | None:
        """Wait for the next reply; None if the worker is gone. Raises ConnectionError for anything but a reply."""
        body = await self._frames.read()
        return None if body is None else Reply.decode(body)

    def kill(self) -> None:
        """Kill the process at once. Call `end` afterwards."""
        self._child.kill()

    async def end(self) -> int | None:
        """Disconnect, wait for the process and kill it if necessary; return its exit status (−signal if killed)."""
        self._frames.close()
        return await asyncio.to_thread(self._child.end, END_SECONDS)


@dataclass(slots=True, eq=False)
class Seat:
    """A place for one worker."""

    process: WorkerProcess | None = None  # the worker, if it is ready
    tickets: deque[Ticket] = field(default_factory=deque)  # the jobs it was sent, oldest first
    since: float = 0.0  # when it last made progress with the oldest

    def send(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        if len(self.tickets) == 1:
            self.begin_oldest()
        if self.process is not None:
            self.process.send(encode_job(ticket.number, ticket.job))

    def begin_oldest(self) -> None:
        """Note that the worker begins its oldest job now, if it has one."""
        if self.tickets:
            self.tickets[0].attempts += 1
            self.since = asyncio.get_running_loop().time()


class WorkerPool:
    """Does jobs on `size` worker processes. All methods belong to one event loop."""

    def __init__(
        self,
        setup: WorkerSetup,
        size: int,
        job_seconds: float,
        prepare: Callable[[], None] | None = None,
        on_notice: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        """Start nothing yet.

        Args:
            setup: What each worker needs.
            size: Number of workers.
            job_seconds: Timeout for one sample, after which its worker is replaced.
            on_notice: Called with each notice of a worker about an image.
            prepare: Called in a thread, one call at a time, before a worker is replaced: restores files that the setup
                names. A SamplerError is logged, and the start is tried again later.
        """
        self.size = size
        self.restarts = 0
        self.decoded = DecodeCounts()
        self._setup = setup
        self._job_seconds = job_seconds
        self._prepare = prepare
        self._on_notice = on_notice
        self._preparing = asyncio.Lock()
        self._compiling = False
        self._seats = [Seat() for _ in range(size)]
        self._queue: FairQueue[Ticket] = FairQueue()
        self._last_number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[WorkerProcess] = set()

    @property
    def alive(self) -> int:
        """Number of workers that are ready."""
        return sum(seat.process is not None for seat in self._seats)

    @property
    def queued(self) -> int:
        """Number of samples that wait for a worker."""
        return sum(len(ticket.job.keys) for ticket in self._queue if not ticket.reply.done())

    async def start(self) -> None:
        """Start all workers and wait until they are ready. Raises `ServiceError` if one cannot start."""
        starts = [WorkerProcess.start(self._setup, self._log_compiling) for _ in self._seats]
        started = await asyncio.gather(*starts, return_exceptions=True)
        for seat, process in zip(self._seats, started, strict=True):
            if isinstance(process, WorkerProcess):
                seat.process = process
        failures = [outcome for outcome in started if isinstance(outcome, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        self._tasks = [asyncio.create_task(self._run(seat)) for seat in self._seats]
        self._tasks.append(asyncio.create_task(self._kill_stuck_workers()))

    async def stop(self) -> None:
        """Stop all workers and cancel unfinished jobs. No process is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for ticket in [*self._queue, *(ticket for seat in self._seats for ticket in seat.tickets)]:
            ticket.reply.cancel()
        self._queue = FairQueue()
        processes = [*(seat.process for seat in self._seats if seat.process), *self._ending]
        for seat in self._seats:
            seat.process = None
        await asyncio.gather(*(process.end() for process in processes))

    def submit(self, job: Job, owner: Hashable = None, slab: Slab | None = None) -> "asyncio.Future[bytes]":
        """Queue a job and return the payload of the worker's reply, or `ServiceError` with the problem.

        Owners take turns. A run comes with its slab. If the reply is cancelled before the job is sent to a worker, the
        job is never done.
        """
        self._last_number += 1
        ticket = Ticket(self._last_number, job, asyncio.get_running_loop().create_future(), slab)
        self._queue.put(owner, ticket)
        self._hand_out()
        return ticket.reply

    def _hand_out(self) -> None:
        """Send queued jobs to the workers that have fewest."""
        while self._queue:
            free = [seat for seat in self._seats if seat.process and len(seat.tickets) < JOBS_PER_WORKER]
            if not free:
                return
            ticket = self._queue.take()
            if not ticket.reply.done():
                min(free, key=lambda seat: len(seat.tickets)).send(ticket)

    async def _run(self, seat: Seat) -> None:
        """Read a worker's replies; when it dies, put its jobs back and start another, forever."""
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
            self._ending.add(process)  # a stop at this moment waits for it too
            status = await process.end()
            self._ending.discard(process)
            log.warning("worker %d ended (%s) and is replaced", process.pid, _describe(status))
            self.restarts += 1
            self._put_back(seat)

    async def _restart(self, seat: Seat, pause: float) -> float:
        """Try to start a worker after `pause` seconds; return the pause before the next attempt."""
        await asyncio.sleep(pause)
        try:
            if self._prepare is not None:
                async with self._preparing:
                    await asyncio.to_thread(self._prepare)
            seat.process = await WorkerProcess.start(self._setup, self._log_compiling)
        except SamplerError as error:
            log.error("a worker cannot start: %s", error)
            return min(MAX_PAUSE, max(0.1, 2 * pause))
        self._hand_out()
        return 0.0

    def _log_compiling(self) -> None:
        if not self._compiling:  # one worker compiles, the others wait for it
            self._compiling = True
            log.info("compiling the kernels, which takes up to a minute; workers start when it is done")

    async def _read_replies(self, seat: Seat, process: WorkerProcess) -> None:
        """Pass on replies until the worker is gone. Raises OSError for an invalid reply."""
        while (reply := await process.reply()) is not None:
            if not seat.tickets or seat.tickets[0].number != reply.number:
                raise ConnectionError(f"a reply to job {reply.number}, which the worker was not given")
            self.decoded.add(*reply.decoded)
            for notice in reply.notices:
                self._on_notice(notice)
            seat.tickets.popleft().finish(reply)
            seat.begin_oldest()
            self._hand_out()

    def _put_back(self, seat: Seat) -> None:
        for ticket in reversed(seat.tickets):
            if ticket.got_further():
                ticket.attempts = 1  # an earlier sample of the run was the cause before
            if ticket.attempts >= ATTEMPTS:
                ticket.give_up()
            else:
                self._queue.put_first(ticket)
        seat.tickets.clear()
        self._hand_out()

    async def _kill_stuck_workers(self) -> None:
        """Kill workers that make no progress; they are replaced like any that die."""
        while True:
            await asyncio.sleep(min(1.0, self._job_seconds / 4))
            now = asyncio.get_running_loop().time()
            for seat in self._seats:
                if not seat.process or not seat.tickets:
                    continue
                if seat.tickets[0].is_moving():
                    seat.since = now
                elif now - seat.since > self._job_seconds:
                    log.error("worker %d made no progress for %g s and is killed", seat.process.pid, now - seat.since)
                    seat.process.kill()
                    seat.since = now


def _describe(status: int | None) -> str:
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"
