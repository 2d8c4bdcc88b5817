"""Second requests and failovers in a simulation: they help against bad servers, and add no load when all are slow."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from client.fleet.members import Fleet
from client.fleet.placement import placement_key
from client.fleet.race import Attempt, Race
from client.protocol.retries import RetrySettings

URLS = ["http://a:8000", "http://b:8000", "http://c:8000"]
TICK = 0.01
AHEAD = 6


@dataclass
class Simulation:
    """A client with several steps ahead, and servers that take `service(url)` seconds for each."""

    service: Callable[[str], float]
    now: float = 0.0
    step: int = 0
    attempts: int = 0
    longest: float = 0.0
    fleet: Fleet = field(init=False)
    ends: dict[Attempt, tuple[float, Race]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet = Fleet(URLS, lambda: self.now)

    def run(self, steps: int) -> None:
        """Fetch so many steps."""
        stop, races = self.step + steps, dict[Race, float]()
        while self.step < stop or races:
            while self.step < stop and len(races) < AHEAD:
                key = placement_key("digest", self.step)
                retries = RetrySettings(10, 1.0, None)
                races[Race(self.fleet, key, retries, lambda: self.now, tolerance=math.inf)] = self.now
                self.step += 1
            for race in tuple(races):
                self._advance(race)
                if race.over:
                    assert race.error is None
                    self.longest = max(self.longest, self.now - races.pop(race))
            self.now += TICK

    def _advance(self, race: Race) -> None:
        for attempt in tuple(race.running):
            if self.now >= self.ends[attempt][0]:
                race.win(attempt)
                return
        race.stalled()
        for attempt in race.begin():
            self.attempts += 1
            self.ends[attempt] = (self.now + self.service(attempt.server.url), race)


def usual(_: str) -> float:
    return 0.03


def hanging(*urls: str) -> Callable[[str], float]:
    return lambda url: math.inf if url in urls else usual(url)


@pytest.mark.parametrize("seconds", [0.3, 1.2, 3.0, 20.0])
def test_all_servers_that_become_slow_get_few_more_requests(seconds: float) -> None:
    simulation = Simulation(usual)
    simulation.run(500)
    before = simulation.attempts
    simulation.service = lambda _: seconds
    simulation.run(100)
    assert simulation.attempts - before <= 1.05 * 100 + 10
    assert simulation.fleet.statistics().ejections == 0
    assert simulation.longest < 1.1 * seconds + 0.1


def test_a_server_that_hangs_delays_no_step_by_a_second() -> None:
    simulation = Simulation(usual)
    simulation.run(500)
    simulation.service = hanging(URLS[0])
    simulation.run(1000)
    assert simulation.longest < 1.0
    totals = simulation.fleet.statistics()
    assert totals.servers[0].state == "ejected"
    assert totals.hedges == totals.hedges_refunded > 0


def test_two_servers_that_hang_delay_no_step_by_two_seconds() -> None:
    simulation = Simulation(usual)
    simulation.run(500)
    simulation.service = hanging(URLS[0], URLS[1])
    simulation.run(1000)
    assert simulation.longest < 2.0
    assert [row.state for row in simulation.fleet.statistics().servers] == ["ejected", "ejected", "used"]


def test_two_servers_that_hang_from_the_beginning_delay_no_step_by_more_than_two_seconds() -> None:
    simulation = Simulation(hanging(URLS[0], URLS[1]))
    simulation.run(500)
    assert simulation.longest < 2.3
