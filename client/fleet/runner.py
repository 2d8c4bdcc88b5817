"""Runs operations at the servers of a fleet, several at a time: each attempt has its own thread."""

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from client.contact import Contact
from client.errors import ClientError
from client.fleet.contacts import Contacts
from client.fleet.probes import CHORE_SECONDS, Probes
from client.fleet.race import Attempt, Race
from client.fleet.threads import Threads
from client.protocol.retries import RetrySettings
from client.transport.cancellation import Cancellation
from client.transport.pace import Pace


@dataclass(slots=True)
class Call:
    """What an attempt is given: its limits, and what ends it. It sets `received`, which returns the bytes so far."""

    pace: Pace
    cancellation: Cancellation = field(default_factory=Cancellation)
    received: Callable[[], int] = lambda: 0


Operation = Callable[[Contact, Call], Any]
"""Makes one attempt at a server. Raises `ClientError`."""


@dataclass(eq=False, slots=True)
class Task:
    """An operation, and what became of it. name: for the caller."""

    operation: Operation
    race: Race
    name: int = 0
    result: Any = None

    def take(self) -> Any:
        """Return the result. Raises the error of the operation. Call it once."""
        try:
            if self.race.error is not None:
                raise self.race.error
            return self.result
        finally:
            # The error refers to this frame. In a cycle with it, memory for arrays would wait for the cycle collector.
            # Late attempts refer to this task, and the result would wait for them.
            self.race.error = self.result = None


@dataclass(frozen=True, slots=True)
class _Running:
    """An attempt that has not reported yet."""

    task: Task
    call: Call


@dataclass(frozen=True, slots=True)
class _Report:
    """How an attempt ended."""

    attempt: Attempt
    result: Any = None
    error: Exception | None = None


_Reports = queue.SimpleQueue[_Report | None]


class Runner:
    """Runs operations for one thread. Only `wake`, `stop` and `require_open` may be called by others."""

    def __init__(self, contacts: Contacts[Contact], retries: RetrySettings, probes: Probes, threads: Threads) -> None:
        self._contacts = contacts
        self._retries = retries
        self._probes = probes
        self._threads = threads
        self._tasks: list[Task] = []
        self._running: dict[Attempt, _Running] = {}
        self._reports: _Reports = queue.SimpleQueue()
        self.stopped = False

    @property
    def busy(self) -> bool:
        """Whether any operation is not over."""
        return bool(self._tasks)

    def run(self, operation: Operation, key: bytes, kind: str) -> Task:
        """Return one operation once it is over, and close. See `begin`. Raises `ClientError`."""
        try:
            self.begin(operation, key, kind)
            while not (over := self.advance()):
                pass
            return over[0]
        finally:
            self.close()

    def begin(self, operation: Operation, key: bytes, kind: str, name: int = 0) -> None:
        """Begin an operation. `advance` returns its task once it is over. key: for placement. kind: see `Fleet`."""
        self._tasks.append(Task(operation, Race(self._contacts.fleet, key, self._retries, kind=kind), name))

    def advance(self) -> list[Task]:
        """Wait until something happens, or for `wake`. Return the tasks that are over.

        Raises:
            ClientError: `stop` was called.
        """
        self._probes.look()
        for task in self._tasks:
            self._look_at(task)
        if over := self._take_over():
            return over
        reports = self._wait()
        self.require_open()
        for report in reports:
            self._handle(report)
        return self._take_over()

    def wake(self) -> None:
        """End the wait of `advance`, now or the next time."""
        self._reports.put(None)

    def stop(self) -> None:
        """Let `advance` raise an error, now or the next time. Takes no lock and does not wait."""
        self.stopped = True
        self.wake()

    def require_open(self) -> None:
        """Raise `ClientError` after `stop`."""
        if self.stopped:
            raise ClientError("the client is closed: make a new one")

    def close(self) -> None:
        """Cancel every attempt. Does not wait: the resolution of a name, and a proxy, cannot be cancelled."""
        for task in self._tasks:
            task.race.abandon()
        for attempt in self._running:
            self._cancel(attempt)

    def _wait(self) -> list[_Report | None]:
        """Return the next reports; none if a race has something to do first."""
        reports = list[_Report | None]()
        wait = min([CHORE_SECONDS, *(task.race.wait() for task in self._tasks)])
        with suppress(queue.Empty):
            reports.append(self._reports.get(timeout=wait))
            while True:
                reports.append(self._reports.get_nowait())
        return reports

    def _look_at(self, task: Task) -> None:
        race = task.race
        for attempt in race.running:
            race.hear(attempt, self._running[attempt].call.received())
        for attempt in race.stalled():
            self._cancel(attempt)
        for attempt in race.begin():
            self._ask(task, attempt)

    def _ask(self, task: Task, attempt: Attempt) -> None:
        contact = self._contacts.of(attempt.server)
        call = Call(Pace(None, contact.http.timeout.read))  # the race has the deadline
        self._threads.start(
            f"ask {attempt.server.url}", _make_attempt, task.operation, contact, call, attempt, self._reports
        )
        self._running[attempt] = _Running(task, call)

    def _handle(self, report: _Report | None) -> None:
        if report is None:
            return
        attempt = report.attempt
        task = self._running.pop(attempt).task
        if report.error is not None:
            task.race.lose(attempt, report.error)
        elif attempt in task.race.running:
            task.result = report.result
            for loser in task.race.win(attempt):
                self._cancel(loser)

    def _cancel(self, attempt: Attempt) -> None:
        self._running[attempt].call.cancellation.cancel()

    def _take_over(self) -> list[Task]:
        over = [task for task in self._tasks if task.race.over]
        self._tasks = [task for task in self._tasks if not task.race.over]
        return over


def _make_attempt(operation: Operation, contact: Contact, call: Call, attempt: Attempt, reports: _Reports) -> None:
    try:
        result = operation(contact, call)
    except Exception as error:  # noqa: BLE001 - raised where the operation was asked for
        reports.put(_Report(attempt, error=error))
        del reports  # the error refers to this frame: a cycle, if nobody fetches the report
    else:
        reports.put(_Report(attempt, result))
