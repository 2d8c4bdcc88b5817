"""The jobs of the pool on their way, and the seats of the workers that do them."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import msgpack

from service.arena import Slab
from service.errors.problems import JobError, ServiceError
from service.workers.lateness import SampleTimes
from service.workers.process import WorkerProcess
from service.workers.protocol import Job, Outcome, Reply, ViewJob
from service.workers.view_turns import Turn

ATTEMPTS = 3
"""How often a job is begun before it is considered the cause of its workers' deaths."""

RETRY_SECONDS = 30
"""Seconds after which a client may ask again for a view that would hold up training."""

Cause = Literal["died", "late", "view", "invalid"]
"""Why a worker is replaced: it exited or was killed, made no progress, took too long for a view, or sent something that
is no reply."""

CAUSES: dict[Cause, str] = {
    "died": "ended",
    "late": "made no progress",
    "view": "took too long for a page",
    "invalid": "sent an invalid reply",
}
"""The causes in words."""

ENDED_LATE = frozenset[Cause]({"late", "view"})
"""Causes for which the server itself ends a worker that may still be working."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A job on its way through the pool."""

    number: int
    job: Job
    reply: "asyncio.Future[bytes]"  # the payload of the worker's reply
    message: bytes  # the job, encoded
    slab: Slab | None = None  # where a run is written; not borrowed again before the job is over
    attempts: int = 0  # how often the sample that no worker has got past was begun
    repetitions: int = 0  # how often it was late and not blamed, since a sample may take longer
    was_late: bool = False  # whether it is a view like one that was ended because training waited for it
    furthest: int = 0  # samples of a run that the most successful worker has written
    seen: int = 0  # samples written when progress was last checked
    turn: Turn | None = None  # of a view that a worker has

    @property
    def is_view(self) -> bool:
        """Whether it is for a page, not for training."""
        return isinstance(self.job, ViewJob)

    @property
    def written(self) -> int:
        """How many samples of a run its worker has written, or had written when it died."""
        return self.slab.progress if self.slab else 0

    @property
    def culprit(self) -> dict[str, int]:
        """The key of the sample that is being made, or was when the worker died; nothing if the job has no keys."""
        keys = self.job.keys
        return keys[min(self.written, len(keys) - 1)].as_dict() if keys else {}

    def progress(self) -> int:
        """Return by how much the number of samples written has changed since this was last called.

        Negative if the worker has begun the run again.
        """
        before, self.seen = self.seen, self.written
        return self.seen - before

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

    def refuse(self) -> None:
        """Fail, because the view takes long and training needs all workers."""
        if not self.reply.done():
            detail = (
                f"a view of sample {self.culprit} takes long, and training needs all workers now; try again when "
                "training is idle, or start the server with more workers"
            )
            self.reply.set_exception(ServiceError("overloaded", detail, retry_after=RETRY_SECONDS))

    def give_up(self) -> None:
        """Fail, because no worker survives the job."""
        if not self.reply.done():
            detail = f"sample {self.culprit} ended its worker {ATTEMPTS} times and is given up"
            self.reply.set_exception(ServiceError("worker", detail, self.culprit))


@dataclass(slots=True, eq=False)
class Seat:
    """A place for one worker."""

    process: WorkerProcess | None = None  # the worker, if it is ready
    tickets: deque[Ticket] = field(default_factory=deque)  # the jobs it was sent, oldest first
    since: float = 0.0  # when it last made progress with the oldest
    cause: Cause = "died"  # why its worker ends, if it ends now

    @property
    def waiting(self) -> int:
        """Number of samples of the jobs that the worker has not begun."""
        return sum(len(ticket.job.keys) for ticket in islice(self.tickets, 1, None))

    @property
    def makes_view(self) -> bool:
        """Whether the worker has a view to make."""
        return any(ticket.is_view for ticket in self.tickets)

    @property
    def is_at_view(self) -> bool:
        """Whether the worker makes a view now, for which its other jobs wait, and is not about to be replaced."""
        return self.process is not None and not self.is_ended and bool(self.tickets) and self.tickets[0].is_view

    @property
    def makes_late_view(self) -> bool:
        """Whether the worker has a view to make that training waited for before."""
        return any(ticket.was_late for ticket in self.tickets)

    @property
    def is_ended(self) -> bool:
        """Whether the worker was ended because it was late, and is about to be replaced."""
        return self.cause in ENDED_LATE

    def send(self, ticket: Ticket, now: float) -> None:
        self.tickets.append(ticket)
        if len(self.tickets) == 1:
            self.begin_oldest(now)
        if self.process is not None:
            self.process.send(ticket.message)

    def begin_oldest(self, now: float) -> None:
        """Note that the worker begins its oldest job now, if it has one."""
        if self.tickets:
            self.tickets[0].attempts += 1
            self.tickets[0].progress()  # from now on
            self.since = now

    def finish_oldest(self, reply: Reply, now: float, times: SampleTimes) -> None:
        """Pass on the reply to the oldest job, and begin the next."""
        ticket = self.tickets.popleft()
        if not ticket.is_view:  # a view may be of many samples, or of none
            times.add(now - self.since, max(1, ticket.progress() + 1))  # the last sample is written, but not counted
        ticket.finish(reply)
        self.begin_oldest(now)

    def is_late(self, now: float, times: SampleTimes, *, leisurely: bool = True) -> bool:
        """Return whether the worker takes too long for its current sample, or for a view.

        leisurely: whether a view may take longer than a sample, since no training job waits for all workers.
        """
        if not self.process or not self.tickets or self.is_ended:
            return False
        oldest = self.tickets[0]
        if written := oldest.progress():
            if written > 0:
                times.add(now - self.since, written)
            self.since = now
        seconds = now - self.since
        if oldest.is_view:
            return times.is_view_late(seconds, leisurely=leisurely, was_late=oldest.was_late)
        return times.is_late(seconds, oldest.repetitions)

    def end_late(self, now: float, times: SampleTimes, *, leisurely: bool = True) -> str:
        """Kill the worker, which is late; return a description for the log. leisurely: as for `is_late`."""
        assert self.process is not None
        oldest, seconds = self.tickets[0], now - self.since
        limit = times.limit(oldest.repetitions)
        # A sample may just be slow: it gets more time, and is not blamed. Nor is a view, unless it had plenty.
        if (not leisurely) if oldest.is_view else limit < times.longest:
            oldest.repetitions += not oldest.is_view
            oldest.attempts -= 1
        self.cause = "view" if oldest.is_view else "late"
        self.process.kill()
        self.process.disconnect()  # a process that waits for a disk keeps its socket open although it was killed
        if oldest.is_view:
            waits = "" if leisurely else ", and training waits for it"
            return f"a view of sample {oldest.culprit} takes over {seconds:.1f} s{waits}"
        return f"no progress for {seconds:.1f} s with sample {oldest.culprit} (limit {limit:.1f} s)"


def leaves_a_worker(seats: Iterable[Seat], seat: Seat) -> bool:
    """Return whether training can go on at another worker while that of `seat` makes a view."""
    return any(other.process and not other.makes_view for other in seats if other is not seat)
