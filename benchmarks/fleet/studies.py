"""The scenarios that are published, and what is read from their outcomes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.fleet.scenario import Fault, Scenario, ServiceTimes, Stutter, at_load
from benchmarks.fleet.simulation import Floats, Outcome, simulate

LOADS = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1)
SERVERS, TRAINERS = 20, 100
MOST_SERVERS, MOST_TRAINERS = 200, 1000
RANKS, SAMPLES, WORKERS = 4, 12, 2
STEPS, LONG = 80, 240
STUTTER = Stutter(share=0.002, seconds=5.0)
RACK = 10
"""One server of so many is in the rack that fails."""
FAILS_AT, WORKS_AT, END = 10.0, 25.0, 40.0
WARM_UP = 0.25
"""Share of the steps that do not count: trainers that have just started wait for their first batches."""


STUDIES = ("load", "stutter", "rack", "size")


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario of a study.

    Attributes:
        study: One of `STUDIES`.
        name: What is special about the scenario.
    """

    study: str
    name: str
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Result:
    """What is published of one scenario.

    Attributes:
        study: One of `STUDIES`.
        name: What is special about the scenario.
        servers: Number of servers.
        trainers: Number of trainers.
        load: Samples per second that trainers ask for, as a share of what the servers make.
        hedging: Whether late requests were sent to a second server.
        waiting: Share of the trainers' time that they waited.
        p99: 99th percentile of a trainer's wait for a batch, in ms.
        latency: Median time from a request, several steps ahead, to the end of its response, in ms.
        latency_p99: 99th percentile of it.
        longest: Longest wait, in ms.
        imbalance: Samples of the busiest server, compared with the mean.
        hedges: Share of requests that were hedged.
        ejections: How often a client ejected a server.
        timeline: Steps per second of all trainers in each second, compared with trainers that never wait.
    """

    study: str
    name: str
    servers: int
    trainers: int
    load: float
    hedging: bool
    waiting: float
    p99: float
    latency: float
    latency_p99: float
    longest: float
    imbalance: float
    hedges: float
    ejections: int
    timeline: tuple[float, ...]

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Result":
        """Return the result whose fields have been through JSON."""
        return cls(**fields | {"timeline": tuple(fields["timeline"])})


def base(times: ServiceTimes, servers: int = SERVERS, trainers: int = TRAINERS) -> Scenario:
    """Return trainers in groups of four that share steps of 48 samples, and hosts with two workers."""
    return Scenario(
        servers, jobs=trainers // RANKS, ranks=RANKS, samples=SAMPLES, step_seconds=1.0, steps=STEPS, times=times,
        workers=WORKERS,
    )  # fmt: skip


def studies(times: ServiceTimes) -> Iterator[Case]:
    """Yield all scenarios, the long ones last."""
    plain = base(times)
    for load in LOADS:
        yield Case("load", "all is well", at_load(replace(plain, steps=LONG), load))
    for load in (0.3, 0.5, 0.7):
        for hedging in (True, False):
            slow = replace(plain, stutter=STUTTER, hedging=hedging)
            yield Case("stutter", "1 run of 500 takes 5 s longer", at_load(slow, load))
    for failure, words in (("hangs", "a rack hangs"), ("refuses", "a rack refuses connections")):
        for hedging in (True, False):
            yield Case("rack", words, _rack(at_load(replace(plain, hedging=hedging), 0.7), failure))
    yield Case("size", "all is well", at_load(replace(base(times, MOST_SERVERS, MOST_TRAINERS), steps=40), 0.7))


def run_study(case: Case) -> Result:
    """Simulate a scenario and return what is published."""
    return result_of(case, simulate(case.scenario))


def result_of(case: Case, outcome: Outcome) -> Result:
    """Return what is published of an outcome."""
    scenario = case.scenario
    first = int(scenario.steps * WARM_UP)
    waits, latencies = outcome.waits[:, first:], outcome.latencies[:, first:]
    placed = sum(client.requests for client in outcome.clients)
    return Result(
        study=case.study,
        name=case.name,
        servers=scenario.servers,
        trainers=scenario.trainers,
        load=scenario.load,
        hedging=scenario.hedging,
        waiting=float(waits.sum() / (waits.sum() + scenario.step_seconds * waits.size)),
        p99=1000 * float(np.percentile(waits, 99)),
        longest=1000 * float(waits.max()),
        latency=1000 * float(np.median(latencies)),
        latency_p99=1000 * float(np.percentile(latencies, 99)),
        imbalance=outcome.imbalance,
        hedges=outcome.hedges / placed,
        ejections=sum(client.ejections for client in outcome.clients),
        timeline=_timeline(outcome.taken_at, scenario) if case.study == "rack" else (),
    )


def _rack(scenario: Scenario, failure: Any) -> Scenario:
    stop = scenario.servers // RACK
    steps = int(END / scenario.step_seconds)
    return replace(scenario, steps=steps, faults=(Fault(failure, 0, stop, FAILS_AT, WORKS_AT),))


def _timeline(taken_at: Floats, scenario: Scenario) -> tuple[float, ...]:
    taken, _ = np.histogram(taken_at, bins=np.arange(0, END + 1))
    return tuple((taken * scenario.step_seconds / scenario.trainers).tolist())
