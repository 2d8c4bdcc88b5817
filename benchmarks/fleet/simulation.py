"""Running a scenario."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import simpy
from numpy.typing import NDArray

from benchmarks.fleet.scenario import Fault, Scenario
from benchmarks.fleet.servers import Counts, Events, SimulatedServer
from benchmarks.fleet.trainers import Client
from client.fleet.member import Server
from client.fleet.statistics import FleetStatistics

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened.

    Attributes:
        waits: (trainers, steps) seconds that each trainer waited for its part of each step.
        taken_at: (trainers, steps) time at which each trainer had it.
        latencies: (trainers, steps) seconds from the request, several steps ahead, to the end of its response.
        seconds: When the last trainer had finished.
        servers: What each server has done.
        clients: What the client of each trainer has counted.
    """

    waits: Floats
    taken_at: Floats
    latencies: Floats
    seconds: float
    servers: tuple[Counts, ...]
    clients: tuple[FleetStatistics, ...]

    @property
    def requests(self) -> int:
        """Requests of all clients, hedges and repeated ones included."""
        return sum(counts.begun for counts in self.servers)

    @property
    def hedges(self) -> int:
        """Requests sent to a second server."""
        return sum(client.hedges for client in self.clients)

    @property
    def imbalance(self) -> float:
        """Samples of the busiest server, compared with the mean of all."""
        samples = [counts.samples for counts in self.servers]
        return max(samples) * len(samples) / sum(samples)


def simulate(scenario: Scenario) -> Outcome:
    """Run a scenario to its end. The same scenario has the same outcome each time.

    Raises ClientError if a client gives up.
    """
    with _without_warnings():
        return _run(scenario)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep the fleets from logging each server that they eject."""
    log = logging.getLogger("saccade_client.fleet")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _run(scenario: Scenario) -> Outcome:
    env = simpy.Environment()
    generator = random.Random(scenario.seed)
    servers = {
        Server(f"http://server-{number}:8000"): SimulatedServer(
            env, scenario.times, scenario.workers, scenario.network, random.Random(generator.random()), scenario.stutter
        )
        for number in range(scenario.servers)
    }
    hosts = list(servers.values())
    for fault in scenario.faults:
        env.process(_fail(env, fault, hosts[fault.first : fault.stop]))
    clients = [
        [Client(env, scenario, servers, job, rank) for rank in range(scenario.ranks)] for job in range(scenario.jobs)
    ]
    waits = np.zeros((scenario.trainers, scenario.steps))
    taken_at = np.zeros_like(waits)
    jobs = []
    for number, ranks in enumerate(clients):
        rows = slice(number * scenario.ranks, (number + 1) * scenario.ranks)
        start = generator.uniform(0, scenario.step_seconds)
        jobs.append(env.process(_train(env, scenario, ranks, start, waits[rows], taken_at[rows])))
    env.run(simpy.AllOf(env, jobs))
    every = [client for ranks in clients for client in ranks]
    return Outcome(
        waits=waits,
        taken_at=taken_at,
        latencies=np.array([client.latencies for client in every]),
        seconds=float(env.now),
        servers=tuple(host.counts for host in hosts),
        clients=tuple(client.fleet.statistics() for client in every),
    )


def _train(
    env: simpy.Environment, scenario: Scenario, clients: list[Client], start: float, waits: Floats, taken_at: Floats
) -> Events:
    """Train a job: all ranks take a step together, and the slowest decides when the next begins."""
    yield env.timeout(start)
    for step in range(scenario.steps):
        asked = float(env.now)
        if step == 0 or not scenario.prefetching:
            for client in clients:
                client.request()
        yield simpy.AllOf(env, [client.arrived[step] for client in clients])
        for rank, client in enumerate(clients):
            taken_at[rank, step] = max(asked, client.arrived_at[step])
            waits[rank, step] = taken_at[rank, step] - asked
            client.take()
        yield env.timeout(scenario.step_seconds)


def _fail(env: simpy.Environment, fault: Fault, hosts: list[SimulatedServer]) -> Events:
    yield env.timeout(fault.begins)
    for host in hosts:
        host.fail(fault.failure)
    yield env.timeout(fault.ends - fault.begins)
    for host in hosts:
        host.recover()
