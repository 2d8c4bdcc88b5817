"""One operation at the servers of a fleet: which server to ask, when to ask a second one, and when to give up. No I/O.

An operation is anything that every server answers with the same bytes. The first answer counts.
"""

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from client.errors import (
    ClientError,
    DigestMismatchError,
    RequestRefusedError,
    SampleError,
    ServerUnavailableError,
    TransferError,
)
from client.fleet.member import Server
from client.fleet.members import Fleet, NoServerLeftError
from client.protocol.retries import FIRST_WAIT, JITTER, RETRIED, RetrySettings, is_unknown_host

log = logging.getLogger("saccade_client")

INVALID = (400, 413, 422)
"""Statuses of our servers' problems that only the request is to blame for."""

LOOK_SECONDS = 0.25
"""How often a running attempt is looked at: what the fleet says about its lateness changes with time."""

STOPPED_SECONDS = 0.5
"""A look that is late by more than this shows that the process did not run, as after Ctrl-Z."""


@dataclass(eq=False, slots=True)
class Attempt:
    """A request to one server.

    Attributes:
        server: that is asked.
        begun: time of the request.
        received: bytes of the response so far.
        heard: time at which `received` grew last.
    """

    server: Server
    begun: float
    received: int = 0
    heard: float = 0.0

    def __post_init__(self) -> None:
        self.heard = self.begun


class Race:
    """The attempts at one operation.

        race = Race(fleet, key, retries)
        for attempt in race.begin(): ...        send its request; ask again after race.wait() seconds
        for attempt in race.stalled(): ...      cancel it
        race.hear(attempt, received)            bytes have arrived
        for attempt in race.win(attempt): ...   it has succeeded: cancel these
        race.lose(attempt, error)               it has failed
        race.error                              why the race was given up, if it was

    If an attempt fails, the next server is asked at once. A round is over when every server has failed. The rounds are
    what `attempts` of a client counts; between two of them is the wait that a client of one server makes.
    """

    def __init__(
        self,
        fleet: Fleet,
        key: bytes,
        retries: RetrySettings,
        clock: Callable[[], float] = monotonic,
        *,
        kind: str = "",
        tolerance: float = STOPPED_SECONDS,
    ) -> None:
        """Make a race.

        Args:
            fleet: the servers.
            key: for placement.
            retries: limits.
            clock: in seconds.
            kind: of requests, see `Fleet`.
            tolerance: seconds by which a look may be late. More is a time in which nothing could be received here,
                and which counts neither for the servers nor for the deadline.
        """
        self._fleet = fleet
        self._key = key
        self._kind = kind
        self._retries = retries
        self._clock = clock
        self._tolerance = tolerance
        self._look_by = clock()
        seconds = retries.batch_seconds
        self._deadline = math.inf if seconds is None else self._look_by + seconds
        self._hook = retries.hook()
        self._rounds = 0
        self._failed: dict[Server, ClientError] = {}  # in this round
        self._mismatch: DigestMismatchError | None = None
        self._begin_at = -math.inf
        self.running: list[Attempt] = []
        """Each is a hedge of those before it."""
        self.damaged = 0
        self.error: Exception | None = None
        self.won = False

    @property
    def over(self) -> bool:
        """Whether the race was won or given up."""
        return self.won or self.error is not None

    @property
    def left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self._deadline - self._clock()

    def begin(self) -> list[Attempt]:
        """Return the attempts that begin now: the next one, or the hedge of one that is late."""
        now = self._now()
        if self.over or (not self.running and now < self._begin_at):
            return []
        attempt = self._hedge(now) if self.running else self._next(now)
        if attempt is None:
            return []
        self.running.append(attempt)
        return [attempt]

    def wait(self) -> float:
        """Return the seconds after which `begin` or `stalled` may have something."""
        now = self._now()
        wait = max(0.0, self._wait_from(now))
        self._look_by = now + wait
        return wait

    def _wait_from(self, now: float) -> float:
        if not self.running:
            return self._begin_at - now
        last, limits = self.running[-1], [LOOK_SECONDS, self._deadline - now]
        late = self._fleet.hedge_after(last.server, self._kind)
        if late is not None and last.begun + late > now:  # if it is late already, the fleet does not want a hedge now
            limits.append(last.begun + late - now)
        return min(limits)

    def hear(self, attempt: Attempt, received: int) -> None:
        """Note how many bytes have arrived."""
        if received != attempt.received:
            attempt.received, attempt.heard = received, self._now()

    def stalled(self) -> list[Attempt]:
        """Return the attempts that have received nothing for too long, or all at the deadline. They have failed."""
        now, stalled = self._now(), []
        for attempt in tuple(self.running):
            error = self._complaint(attempt, now)
            if error is not None:
                stalled.append(attempt)
                self.lose(attempt, error)
        return stalled

    def win(self, attempt: Attempt) -> list[Attempt]:
        """End the race; return the attempts that lost it."""
        if attempt not in self.running:
            return []
        self.won = True
        self._fleet.finished(attempt.server, self._now() - attempt.begun, self._kind)
        earlier, later = self._around(attempt)
        self.running = []
        for loser in earlier:
            self._fleet.overtaken(loser.server)
        for loser in later:
            self._fleet.cancelled(loser.server)
        return earlier + later

    def lose(self, attempt: Attempt, error: Exception) -> None:
        """Go on after a failed attempt, or give up."""
        if attempt not in self.running:
            return  # it was cancelled
        self.running.remove(attempt)
        server = attempt.server
        if isinstance(error, DigestMismatchError):
            self._mismatch = error
            self._fleet.cancelled(server)
            self._fleet.excluded(server, str(error))
        elif _blames_server(error):
            self._fleet.failed(server, error)
        else:
            self._fleet.cancelled(server)
        if not isinstance(error, ClientError):  # a bug of ours
            self.error = error
            self.abandon()
            return
        if isinstance(error, TransferError):
            self.damaged += error.damaged
        self._failed[server] = error
        if not self.running:
            self._begin_at = self._after_failure(error)

    def abandon(self) -> list[Attempt]:
        """End the race without a result; return the attempts to cancel."""
        running, self.running = self.running, []
        for attempt in running:
            self._fleet.cancelled(attempt.server)
        self.error = self.error or ClientError("the client is closed: make a new one")
        return running

    def _now(self) -> float:
        """Return the time. A time in which the race was not looked at as intended is left out."""
        now = self._clock()
        missed = now - self._look_by
        if missed > self._tolerance:
            self._look_by = now
            self._deadline += missed
            for attempt in self.running:
                attempt.begun = min(attempt.begun + missed, now)
                attempt.heard = min(attempt.heard + missed, now)
        return now

    def _complaint(self, attempt: Attempt, now: float) -> ServerUnavailableError | None:
        """Return why a running attempt has failed; None if it has not."""
        url, silent = attempt.server.url, now - attempt.heard
        if now >= self._deadline:
            return ServerUnavailableError(f"{url}: no complete response in time: received {attempt.received:,} bytes")
        limit = self._fleet.stalled_after(attempt.server, self._kind)
        if limit is None or silent < limit:
            return None
        return ServerUnavailableError(f"{url}: no byte for {silent:.1f} s")

    def _around(self, attempt: Attempt) -> tuple[list[Attempt], list[Attempt]]:
        """Return the running attempts that it is a hedge of, and its own hedges."""
        at = self.running.index(attempt)
        return self.running[:at], self.running[at + 1 :]

    def _next(self, now: float) -> Attempt | None:
        try:
            return Attempt(self._fleet.place(self._key, tuple(self._failed), self._kind), now)
        except NoServerLeftError as error:
            self.error = self._none_left(error)
            return None

    def _hedge(self, now: float) -> Attempt | None:
        last = self.running[-1]
        late = self._fleet.hedge_after(last.server, self._kind)
        if late is None or now - last.begun < late:
            return None
        asked = (*self._failed, *(attempt.server for attempt in self.running))
        second = self._fleet.hedge(self._key, last.server, asked, self._kind)
        return None if second is None else Attempt(second, now)

    def _after_failure(self, error: ClientError) -> float:
        """Return when the next attempt begins; sets `self.error` if there is none."""
        now = self._now()
        if any(server not in self._failed for server in self._fleet.accepted) and self.left > 0:
            log.info("%s; asking another server", error.args[0])
            return now
        errors = list(self._failed.values())
        self._failed = {}
        if all(isinstance(one, DigestMismatchError) for one in errors):
            return now  # `place` says whether another server is left
        self._rounds += 1
        passing = [one for one in errors if isinstance(one, RETRIED)]
        lasting = [one for one in errors if not isinstance(one, (*RETRIED, DigestMismatchError))]
        known = [one for one in passing if not is_unknown_host(one)]
        last = (known or passing or lasting)[-1]
        wait = self._hook.decide(last, self.left)
        if self._rounds < self._retries.attempts and wait is not False:
            return now + (self._backoff() if wait is True else wait)
        raised = (lasting or passing)[-1]
        raised.attempts = self._rounds
        if isinstance(raised, TransferError):
            raised.damaged = self.damaged
        self.error = raised
        return now

    def _backoff(self) -> float:
        """Return the seconds before the next round, as between two attempts at one server."""
        return min(self._retries.max_wait, FIRST_WAIT * 2.0 ** min(self._rounds - 1, 64) + random.uniform(0, JITTER))

    def _none_left(self, error: NoServerLeftError) -> ClientError:
        message, last = f"no server has the expected samples: {error}", self._mismatch
        if last is None:
            return DigestMismatchError(message)
        return DigestMismatchError(
            message, request_id=last.request_id, problem=last.problem, field=last.field, expected=last.expected,
            actual=last.actual,
        )  # fmt: skip


def _blames_server(error: Exception) -> bool:
    """Whether an error says that its server is not well; otherwise the operation itself is to blame."""
    if isinstance(error, RequestRefusedError):
        return error.problem.get("status") not in INVALID
    return isinstance(error, ClientError) and not isinstance(error, SampleError)
