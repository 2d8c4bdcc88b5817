"""Runs operations at the servers of a fleet: each attempt is a task of the event loop."""

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic

import stamina

from client.asynchronous.link import ask_ready
from client.asynchronous.operations import AsyncCall, AsyncOperation, ResultT
from client.contact import AsyncContact
from client.errors import ClientError
from client.fleet.contacts import Contacts
from client.fleet.member import Server
from client.fleet.members import Fleet
from client.fleet.probes import CHORE_SECONDS, PROBE_SECONDS
from client.fleet.race import LOOK_SECONDS, Attempt, Race
from client.protocol.retries import RetrySettings
from client.transport.pace import Pace

BLOCKED_SECONDS = 0.05
"""How late an event loop may be before something else has held it."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ResultT]):
    """The result of an operation. damaged: responses before it whose bytes were damaged."""

    result: ResultT
    damaged: int


class AsyncRunner:
    """Runs operations in one event loop, any number at a time, and the probes that they need."""

    def __init__(self, contacts: Contacts[AsyncContact]) -> None:
        self._contacts = contacts
        self._tasks: set[asyncio.Task[Any]] = set()
        self._next_chores = -math.inf
        self._closed = False

    async def run(
        self, operation: AsyncOperation[ResultT], key: bytes, kind: str, retries: RetrySettings
    ) -> Outcome[ResultT]:
        """Return the outcome of one operation. key: for placement. kind: see `Fleet`. Raises `ClientError`."""
        race = Race(await self._fleet(retries), key, retries, kind=kind, tolerance=BLOCKED_SECONDS)
        heat: _Heat[ResultT] = _Heat(self, operation, race)
        try:
            while not race.over:
                self.require_open()
                self._do_chores()
                await heat.advance()
        finally:
            if not race.over:
                race.abandon()
            await heat.close()
        try:
            if race.error is not None:
                raise race.error
            return Outcome(heat.result, race.damaged)
        finally:
            race.error = None  # it refers to this frame: a cycle

    async def _fleet(self, retries: RetrySettings) -> Fleet:
        """Return the fleet, whose names are resolved now if that was not done."""
        if self._contacts.resolved:
            return self._contacts.fleet
        caller, pace = retries.caller(stamina.AsyncRetryingCaller), Pace(retries.batch_seconds)
        return await caller(retries.hook(lambda: pace.left), asyncio.to_thread, lambda: self._contacts.fleet)

    def require_open(self) -> None:
        """Raise `ClientError` once closed."""
        if self._closed:
            raise ClientError("the client is closed: make a new one")

    def start(self, work: Coroutine[Any, Any, ResultT]) -> "asyncio.Task[ResultT]":
        """Start an attempt or a probe, which `close` cancels."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def contact(self, server: Server) -> AsyncContact:
        """Return the contact of a server."""
        return self._contacts.of(server)

    async def close(self) -> None:
        """Cancel all attempts and probes. Operations raise `ClientError`."""
        self._closed = True
        await cancel(self._tasks)

    def _do_chores(self) -> None:
        """Take over new addresses, and begin the probes that are due. Does not wait."""
        if monotonic() < self._next_chores:
            return
        self._next_chores = monotonic() + CHORE_SECONDS
        for contact in self._contacts.refresh():
            self.start(contact.http.aclose())
        for server in self._contacts.fleet.due_probes():
            self.start(self._probe(server))

    async def _probe(self, server: Server) -> None:
        ready = True
        try:
            contact = self._contacts.of(server)
            await ask_ready(contact.http, contact.session.ready_exchange(), Pace(PROBE_SECONDS))
        except ClientError:
            ready = False
        self._contacts.fleet.probed(server, ready)


class _Heat(Generic[ResultT]):
    """The attempts of a race as tasks."""

    result: ResultT

    def __init__(self, runner: AsyncRunner, operation: AsyncOperation[ResultT], race: Race) -> None:
        self._runner = runner
        self._operation = operation
        self._race = race
        self._running: dict[asyncio.Task[ResultT], tuple[Attempt, AsyncCall]] = {}
        self._cancelled: set[asyncio.Task[ResultT]] = set()

    async def advance(self) -> None:
        """Begin and cancel attempts as the race says, then wait until something happens."""
        for attempt, call in self._running.values():
            self._race.hear(attempt, call.received())
        self._cancel(self._race.stalled())
        for attempt in self._race.begin():
            self._ask(attempt)
        if self._race.over:
            return
        wait = min(CHORE_SECONDS, self._race.wait())
        if not self._running:
            await asyncio.sleep(min(wait, LOOK_SECONDS))
            return
        done, _ = await asyncio.wait(self._running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._settle(task)

    async def close(self) -> None:
        """Cancel every attempt and wait for its end."""
        self._cancel([attempt for attempt, _ in self._running.values()])
        await cancel(self._cancelled)

    def _ask(self, attempt: Attempt) -> None:
        contact = self._runner.contact(attempt.server)
        call = AsyncCall(Pace(None, contact.http.timeout.read))  # the race has the deadline
        self._running[self._runner.start(_make_attempt(self._operation, contact, call))] = attempt, call

    def _settle(self, task: "asyncio.Task[ResultT]") -> None:
        if task not in self._running or task.cancelled():  # it lost at the same moment, or the client is being closed
            self._running.pop(task, None)
            return
        attempt, _ = self._running.pop(task)
        error = task.exception()
        if error is None:
            self.result = task.result()
            self._cancel(self._race.win(attempt))
        elif isinstance(error, Exception):
            self._race.lose(attempt, error)
        else:
            raise error

    def _cancel(self, attempts: list[Attempt]) -> None:
        for task, (attempt, _) in list(self._running.items()):
            if attempt in attempts:
                del self._running[task]
                task.cancel()
                self._cancelled.add(task)


async def _make_attempt(operation: AsyncOperation[ResultT], contact: AsyncContact, call: AsyncCall) -> ResultT:
    # No method: the race keeps errors of attempts, which refer to this frame.
    return await operation(contact, call)


async def cancel(tasks: "set[asyncio.Task[ResultT]]") -> None:
    """Cancel tasks and wait for their end, whatever it is."""
    ended = list(tasks)
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)
