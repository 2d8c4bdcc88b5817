"""The worker pool: a fair queue of jobs, and the processes that do them.

Views, which are for pages, wait in a second queue, and the workers do them in their spare time
(`service.workers.waiting_jobs`).

A worker that dies is replaced, and its jobs go back to the front of the queue. The bytes are the same, since a sample
does not depend on who makes it. A job that ends its worker again and again is given up.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.errors import SamplerError
from sampler.system_errors import explain
from service.arena import Slab
from service.counting import Histogram
from service.errors.problems import ServiceError
from service.workers.failures import WorkerFailure
from service.workers.lateness import LEAST_SECONDS, LOOK_SECONDS, RunningClock, SampleTimes
from service.workers.memory_use import private_bytes
from service.workers.notices import Notice
from service.workers.output import WorkerOutput
from service.workers.process import WorkerProcess, describe_exit
from service.workers.protocol import ImagesJob, Job, Reply, RunJob, ViewJob, WorkerSetup, encode_job
from service.workers.seats import ATTEMPTS, CAUSES, Cause, Seat, Ticket
from service.workers.waiting_jobs import WaitingJobs

log = logging.getLogger("saccade_sampler.pool")

JOBS_PER_WORKER = 2
"""Jobs sent to a worker: one under way and one waiting, so that the worker never waits for the server."""

SAMPLES_AHEAD = 48
"""Samples that wait at a worker whose images are remote: more than there are requests at once, four of the longest
runs. It knows their keys, so that it can fetch their images in time."""

SAMPLE_SECONDS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 5.0, 30.0)
"""Bounds for the time of a sample: 0.3 ms from the decoded store, some 5 ms from a file, seconds from slow storage."""

VIEW_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds for the time of a view."""

Work = Literal["samples", "views", "annotations"]
"""What workers spend their time on: samples for batches, what pages show, or the annotations of images."""

WORK: dict[type[Job], Work] = {RunJob: "samples", ViewJob: "views", ImagesJob: "annotations"}

MAX_PAUSE = 5.0
"""Longest pause, in seconds, between attempts to start a worker."""


class WorkerPool:
    """Does jobs on `size` worker processes. All methods belong to one event loop.

    Attributes:
        restarts: number of workers that were replaced, by cause.
        decoded: how workers decoded image files.
        busy_seconds: seconds that workers spent on jobs, by kind of work.
        sample_seconds: histogram of the seconds that workers took for each sample, by number of the dataset.
        view_seconds: histogram of the seconds that workers took for what pages show, by kind.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        size: int,
        job_seconds: float,
        prepare: Callable[[], None] | None = None,
        on_notice: Callable[[Notice], None] = lambda _: None,
        lend: Callable[[], AbstractContextManager[None]] = nullcontext,
        read_seconds: float = 0.0,
        on_failure: Callable[[WorkerFailure], None] = lambda _: None,
    ) -> None:
        """Start nothing yet.

        Args:
            setup: What each worker needs.
            size: Number of workers.
            job_seconds: Longest timeout for one sample, after which its worker is replaced.
            prepare: Called in a thread, one call at a time, before a worker is replaced: restores files that the setup
                names. A SamplerError is logged, and the start is tried again later.
            on_notice: Called with each notice of a worker about an image.
            lend: Gives the block in which a process is started; see `WorkerProcess.start`.
            read_seconds: Longest time for reading an image from another host; 0 if all images are local.
            on_failure: Called when a worker ended or cannot start.
        """
        self.size = size
        self.restarts: dict[Cause, int] = dict.fromkeys(get_args(Cause), 0)
        self.decoded = DecodeCounts()
        self.busy_seconds: dict[Work, float] = dict.fromkeys(get_args(Work), 0.0)
        self.sample_seconds: Histogram[int] = Histogram(SAMPLE_SECONDS, *range(len(setup.datasets)))
        self.view_seconds: Histogram[str] = Histogram(VIEW_SECONDS)
        self._setup = setup
        self._times = SampleTimes(job_seconds, LEAST_SECONDS + read_seconds)
        self._samples_ahead = SAMPLES_AHEAD if read_seconds else 0
        self._clock = RunningClock()
        self._prepare = prepare
        self._on_notice = on_notice
        self._on_failure = on_failure
        self._lend = lend
        self._preparing = asyncio.Lock()
        self._compiling = False
        self._seats = [Seat() for _ in range(size)]
        self._waiting = WaitingJobs(size, self._clock.now())
        self._last_number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[WorkerProcess] = set()
        self._left: list[WorkerProcess] = []  # killed, but still there
        self._output: WorkerOutput | None = None

    @property
    def alive(self) -> int:
        """Number of workers that are ready."""
        return sum(seat.process is not None for seat in self._seats)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are ready."""
        return [seat.process.pid for seat in self._seats if seat.process is not None]

    @property
    def queued(self) -> int:
        """Number of samples that wait for a worker, without those of views."""
        return sum(len(ticket.job.keys) for ticket in self._waiting.training if not ticket.reply.done())

    def private_bytes(self) -> int | None:
        """Return the memory of all workers that no other process shares; None if the system does not tell."""
        sizes = [private_bytes(seat.process.pid) for seat in self._seats if seat.process]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    async def start(self) -> None:
        """Start all workers and wait until they are ready. Raises `ServiceError` if one cannot start."""
        try:
            self._output = WorkerOutput()
        except OSError as error:
            raise ServiceError("worker", f"no pipe for the output of workers: {explain(error, '')}") from error
        starts = [self._start_worker() for _ in self._seats]
        started = await asyncio.gather(*starts, return_exceptions=True)
        for seat, process in zip(self._seats, started, strict=True):
            if isinstance(process, WorkerProcess):
                seat.process = process
        failures = [outcome for outcome in started if isinstance(outcome, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        self._tasks = [asyncio.create_task(self._keep(seat)) for seat in self._seats]
        self._tasks.append(asyncio.create_task(self._look_regularly()))

    async def stop(self) -> None:
        """Stop all workers and cancel unfinished jobs. No process is left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for ticket in [*self._waiting, *(ticket for seat in self._seats for ticket in seat.tickets)]:
            ticket.reply.cancel()
        self._waiting.clear()
        processes = [*(seat.process for seat in self._seats if seat.process), *self._ending]
        for seat in self._seats:
            seat.process = None
        await asyncio.gather(*(process.end() for process in processes))
        if self._output is not None:
            self._output.close()
            self._output = None

    def submit(self, job: Job, owner: Hashable = None, slab: Slab | None = None) -> "asyncio.Future[bytes]":
        """Queue a job and return the payload of the worker's reply, or `ServiceError` with the problem.

        Owners take turns. A run comes with its slab. If the reply is cancelled before the job is sent to a worker, the
        job is never done. A job that cannot be sent to a worker fails at once.
        """
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._last_number += 1
        try:
            message = encode_job(self._last_number, job)
        except Exception as error:  # that of this job alone
            log.exception("a job cannot be sent to a worker")
            reply.set_exception(ServiceError("internal", f"the job cannot be sent to a worker: {error}"))
            return reply
        self._waiting.put(owner, Ticket(self._last_number, job, reply, message, slab))
        self._hand_out()
        return reply

    def abandon(self, reply: "asyncio.Future[bytes]") -> bool:
        """Cancel a reply that nobody waits for, unless a worker has the job: what it makes can be kept.

        Returns:
            Whether it was cancelled.
        """
        is_sent = any(ticket.reply is reply for seat in self._seats for ticket in seat.tickets)
        return not is_sent and reply.cancel()

    def _hand_out(self) -> None:
        """Send queued jobs to the workers that have fewest, and rather to those that make no view."""
        while self._waiting:
            free = [seat for seat in self._seats if seat.process and self._has_room(seat)]
            if not free:
                return
            seat = min(free, key=lambda seat: (seat.makes_view, len(seat.tickets)))
            now = self._clock.now()
            ticket = self._waiting.next(now, seat, self._seats)
            if ticket is None:
                return
            seat.send(ticket, now)

    def _has_room(self, seat: Seat) -> bool:
        if seat.makes_view:  # which may take long: what trainers wait for goes to the other workers
            return seat.waiting < self._samples_ahead
        return len(seat.tickets) < JOBS_PER_WORKER or seat.waiting < self._samples_ahead

    async def _keep(self, seat: Seat) -> None:
        """Keep a worker at a seat, forever."""
        pause = 0.0
        while True:
            try:
                pause = await self._run(seat, pause)
            except Exception as error:  # a seat that nobody looks after would never have a worker again
                log.exception("an unexpected error at the seat of a worker, which is filled again")
                self._report(f"An unexpected error at the seat of a worker: {type(error).__name__}: {error}")
                pause = _longer(pause)

    async def _run(self, seat: Seat, pause: float) -> float:
        """Start a worker after `pause` seconds, or read its replies until it ends, and put its jobs back.

        Returns:
            The pause before the next start.
        """
        if seat.process is None:
            return await self._restart(seat, pause)
        try:
            await self._read_replies(seat, seat.process)
        except OSError as error:
            log.error("worker %d: %s", seat.process.pid, error)
            seat.cause = "invalid"
        except Exception:
            log.exception("worker %d: a reply that cannot be used", seat.process.pid)
            seat.cause = "invalid"
        process, seat.process = seat.process, None
        cause, seat.cause = seat.cause, "died"
        self.restarts[cause] += 1
        if cause != "died":
            process.kill()  # it writes nothing from now on, even if it takes long to exit
            self._put_back(seat)
        try:
            await self._end(process, cause)
        finally:
            self._put_back(seat)
        return 0.0

    async def _end(self, process: WorkerProcess, cause: Cause) -> None:
        self._ending.add(process)  # a stop at this moment waits for it too
        status = await process.end()
        self._ending.discard(process)
        log.warning("worker %d ended (%s) and is replaced", process.pid, describe_exit(status))
        is_told = cause == "died" or status is None  # else it was ended by this server
        if cause != "view":  # which was reported with its view
            self._report(
                f"A worker {CAUSES[cause]}{f' ({describe_exit(status)})' if is_told else ''} and was replaced."
            )
        if status is None:
            self._left.append(process)

    async def _restart(self, seat: Seat, pause: float) -> float:
        """Try to start a worker after `pause` seconds; return the pause before the next attempt."""
        await asyncio.sleep(pause)
        self._left = [process for process in self._left if not process.is_gone()]
        try:
            if len(self._left) >= self.size:  # each holds memory
                raise ServiceError("worker", f"{len(self._left)} killed workers do not exit; check the disks")
            if self._prepare is not None:
                async with self._preparing:
                    await asyncio.to_thread(self._prepare)
            seat.process = await self._start_worker()
        except SamplerError as error:
            log.error("a worker cannot start: %s", error)
            self._report(f"A worker cannot start: {error}")
            return _longer(pause)
        self._hand_out()
        return 0.0

    async def _start_worker(self) -> WorkerProcess:
        """Start a worker and wait until it is ready. Raises `ServiceError`."""
        assert self._output is not None, "call start() first"
        return await WorkerProcess.start(self._setup, self._log_compiling, self._lend, self._output.descriptor)

    def _log_compiling(self) -> None:
        if not self._compiling:  # one worker compiles, the others wait for it
            self._compiling = True
            log.info("compiling the kernels, which takes up to a minute; workers start when it is done")

    async def _read_replies(self, seat: Seat, process: WorkerProcess) -> None:
        """Pass on replies until the worker is gone. Raises OSError for an invalid reply."""
        while (reply := await process.reply()) is not None:
            if not seat.tickets or seat.tickets[0].number != reply.number:
                raise ConnectionError(f"a reply to job {reply.number}, which the worker was not given")
            self._count(seat.tickets[0].job, reply)
            for notice in reply.notices:
                self._on_notice(notice)
            now = self._clock.now()
            self._waiting.end_turn(seat.tickets[0], now, seat.since)
            seat.finish_oldest(reply, now, self._times)
            self._hand_out()

    def _count(self, job: Job, reply: Reply) -> None:
        self.decoded.add(*reply.decoded)
        self.busy_seconds[WORK[type(job)]] += reply.seconds
        if isinstance(job, ViewJob):
            self.view_seconds.of(job.kind).observe(reply.seconds)
            self._waiting.late_views.note_done(job, reply.seconds)
        times = self.sample_seconds.of(job.dataset)
        for seconds in reply.sample_seconds:
            times.observe(seconds)

    def _put_back(self, seat: Seat) -> None:
        now = self._clock.now()
        while seat.tickets:
            ticket = seat.tickets.pop()
            self._waiting.end_turn(ticket, now, seat.since)
            if ticket.got_further():
                ticket.attempts = 1  # an earlier sample of the run was the cause before
            if ticket.attempts >= ATTEMPTS:
                ticket.give_up()
            else:
                self._waiting.put_first(ticket)
        self._hand_out()

    async def _look_regularly(self) -> None:
        """End workers that make no progress, which are replaced like any that die, and begin views that now may."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._look()
            except Exception:  # later, there may be a worker that hangs
                log.exception("an unexpected error in the search for workers that hang")

    def _look(self) -> None:
        now = self._clock.now()
        for seat in self._seats:
            leisurely = not self._waits_for_views()
            if seat.process and seat.is_late(now, self._times, leisurely=leisurely):
                self._end_late(seat, seat.process.pid, now, leisurely=leisurely)
        self._hand_out()  # when training has become quiet, nothing else says so

    def _end_late(self, seat: Seat, pid: int, now: float, *, leisurely: bool) -> None:
        job = seat.tickets[0].job
        why = seat.end_late(now, self._times, leisurely=leisurely)
        if not isinstance(job, ViewJob):
            log.error("worker %d: %s; it is killed", pid, why)
            return
        log.warning("worker %d: %s; it is killed", pid, why)
        waited = "" if leisurely else " while training waited"
        self._on_failure(WorkerFailure(f"What a page shows took too long{waited}. Its worker was replaced.", job))
        if not leisurely:
            self._waiting.late_views.note(job)
            for ticket in (ticket for other in self._seats for ticket in other.tickets):
                ticket.was_late = self._waiting.late_views.includes(ticket.job)

    def _report(self, text: str) -> None:
        self._on_failure(WorkerFailure(text))

    def _waits_for_views(self) -> bool:
        """Return whether jobs for training wait while all workers make views, and none is about to be replaced."""
        waits = self._waiting.training or any(not ticket.is_view for seat in self._seats for ticket in seat.tickets)
        return bool(waits) and all(seat.is_at_view for seat in self._seats)


def _longer(pause: float) -> float:
    """Return the pause in seconds before the next attempt to start a worker."""
    return min(MAX_PAUSE, max(0.1, 2 * pause))
