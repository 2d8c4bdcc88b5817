"""A trainer of the simulation: its client is that of the project, apart from threads and sockets."""

from collections.abc import Callable, Generator
from typing import Any

import simpy

from benchmarks.fleet.scenario import Scenario
from benchmarks.fleet.servers import Events, Request, SimulatedServer
from client.errors import ServerUnavailableError
from client.fleet.member import Server
from client.fleet.members import Fleet
from client.fleet.placement import placement_key
from client.fleet.probes import CHORE_SECONDS
from client.fleet.race import Attempt, Race
from client.fleet.steps import steps_ahead
from client.loading.loader import AHEAD
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RetrySettings

ROUND_TRIP = 0.0005
"""Seconds from a client to a server and back, in one data centre."""

DIGEST = "0" * 32


class FleetWithoutHedges(Fleet):
    """A fleet that sends no request to a second server before the first has failed."""

    def hedge_after(self, server: Server, kind: str = "") -> float | None:  # noqa: ARG002 - never
        """Return None."""
        return None


class Client:
    """The client of one trainer: it requests its part of each step, several steps ahead."""

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        servers: dict[Server, SimulatedServer],
        seed: int,
        rank: int,
    ) -> None:
        self._env = env
        self._scenario = scenario
        self._servers = servers
        self._place = seed, rank
        kind = Fleet if scenario.hedging else FleetWithoutHedges
        self.fleet = kind((server.url for server in servers), lambda: float(env.now))
        self._retries = RetrySettings(ATTEMPTS, MAX_WAIT, BATCH_SECONDS)
        self.arrived: list[simpy.Event] = [env.event() for _ in range(scenario.steps)]
        """That each step is there."""
        self.arrived_at = [0.0] * scenario.steps
        self.latencies = [0.0] * scenario.steps
        """Seconds from the request for a step to its end."""
        self._begun = self._taken = 0
        self._largest = 0
        self._probe_at = 0.0

    def take(self) -> None:
        """Take the next step, which makes room for another, and request what there is room for."""
        self._taken += 1
        if self._scenario.prefetching:
            self.request()

    def request(self) -> None:
        """Request as many steps as there is room for: in the client, and in the loader's slots."""
        limit = steps_ahead(len(self.fleet.accepted), self._largest) + AHEAD if self._scenario.prefetching else 1
        while self._begun < self._scenario.steps and self._begun - self._taken < limit:
            self._env.process(self._fetch(self._begun))
            self._begun += 1

    def _fetch(self, step: int) -> Events:
        began = float(self._env.now)
        seed, rank = self._place
        key = placement_key(DIGEST, seed, step, rank, self._scenario.ranks)
        race = Race(self.fleet, key, self._retries, lambda: float(self._env.now))
        sent: dict[Attempt, Request] = {}
        news = _News(self._env)
        while not race.over:
            self._probe()
            for attempt in race.stalled():
                sent[attempt].cancelled = True
            for attempt in race.begin():
                sent[attempt] = self._send(attempt, race, sent, news)
            yield simpy.AnyOf(self._env, [news.event(), self._env.timeout(race.wait())])
        if race.error is not None:
            raise race.error
        self._largest = int(self._scenario.samples * self._scenario.times.sample_bytes)
        self.arrived_at[step] = float(self._env.now)
        self.latencies[step] = self.arrived_at[step] - began
        self.arrived[step].succeed()

    def _send(self, attempt: Attempt, race: Race, sent: dict[Attempt, Request], news: "_News") -> Request:
        def on_bytes(received: int) -> None:
            race.hear(attempt, received)

        def on_end(complete: bool) -> None:
            if complete:
                for loser in race.win(attempt):
                    sent[loser].cancelled = True
            else:
                race.lose(attempt, ServerUnavailableError("the connection broke"))
            news.tell()

        request = Request(self._scenario.samples, on_bytes, on_end)
        _later(self._env, ROUND_TRIP, lambda: self._servers[attempt.server].receive(request))
        return request

    def _probe(self) -> None:
        """Ask the ejected servers whether they are ready again, every second."""
        if self._env.now < self._probe_at:
            return
        self._probe_at = self._env.now + CHORE_SECONDS
        for server in self.fleet.due_probes():
            self.fleet.probed(server, self._servers[server].ready)


class _News:
    """An event that can happen again and again."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._event = env.event()

    def event(self) -> simpy.Event:
        """Return the next event, which has happened if something was told since the last call."""
        if self._event.triggered:
            happened, self._event = self._event, self._env.event()
            return happened
        return self._event

    def tell(self) -> None:
        """Let the event happen."""
        if not self._event.triggered:
            self._event.succeed()


def _later(env: simpy.Environment, seconds: float, action: Callable[[], None]) -> None:
    def wait() -> Generator[simpy.Event, Any, None]:
        yield env.timeout(seconds)
        action()

    env.process(wait())
