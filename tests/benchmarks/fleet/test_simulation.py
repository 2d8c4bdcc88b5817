"""The laws of the simulation: queues, conservation, determinism, and what faults must do."""

import random
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import simpy

from benchmarks.fleet.scenario import Fault, Scenario, ServiceTimes, Stutter, at_load
from benchmarks.fleet.servers import Request, SimulatedServer
from benchmarks.fleet.simulation import Outcome, simulate
from benchmarks.fleet.trainers import ROUND_TRIP

TIMES = ServiceTimes(request=0.002, sending=0.0001, making=0.001, sample_bytes=200_000.0)
SCENARIO = at_load(Scenario(4, jobs=3, ranks=2, samples=24, step_seconds=1.0, steps=40, times=TIMES, workers=1), 0.5)


def latencies(gaps: list[float], times: ServiceTimes, workers: int = 1, samples: int = 1) -> list[float]:
    """The time that each request spends at one server, given the times between arrivals."""
    env = simpy.Environment()
    host = SimulatedServer(env, times, workers, 10.0, random.Random(0), Stutter(0, 0))
    spent: list[float] = []

    def arrivals() -> Generator[simpy.Event, Any, None]:
        for gap in gaps:
            yield env.timeout(gap)
            began = env.now

            def on_end(complete: bool, began: float = began) -> None:
                assert complete
                spent.append(env.now - began)

            host.receive(Request(samples, lambda _: None, on_end))

    env.process(arrivals())
    env.run()
    return spent


def test_without_load_a_request_takes_its_service_time() -> None:
    network = 36 * 200_000 * 8 / 10e9
    expected = {1: 0.002 + 3 * 0.012, 3: 0.002 + 0.012}  # three runs of 12 samples, on one worker or on three
    for workers, seconds in expected.items():
        (spent,) = set(np.round(latencies([10.0] * 5, TIMES, workers, samples=36), 9))
        assert seconds < spent <= seconds + 36 * 0.0001 + network + 1e-9


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_one_worker_with_poisson_arrivals_is_the_queue_that_theory_knows(load: float) -> None:
    times = ServiceTimes(request=0.0, sending=0.0, making=1.0, sample_bytes=0.0)
    gaps = np.random.Generator(np.random.Philox(key=7)).exponential(1 / load, 20_000).tolist()
    waits = np.array(latencies(gaps, times)) - 1.0
    assert waits.mean() == pytest.approx(load / (2 * (1 - load)), rel=0.1)  # M/D/1, by Pollaczek and Khinchine


def test_varying_service_times_lengthen_the_queue_as_theory_says() -> None:
    times = ServiceTimes(0.0, 0.0, 1.0, 0.0, ratios=(0.5, 1.5))
    gaps = np.random.Generator(np.random.Philox(key=8)).exponential(1 / 0.6, 20_000).tolist()
    queued = np.array(latencies(gaps, times)).mean() - 1.0
    assert queued == pytest.approx(0.6 * (1 + 0.25) / (2 * 0.4), rel=0.1)  # M/G/1: variance 0.25


def finished(outcome: Outcome, scenario: Scenario) -> None:
    """Every trainer has received each step once, and no request is lost or counted twice."""
    assert outcome.taken_at.shape == (scenario.trainers, scenario.steps)
    assert (np.diff(outcome.taken_at, axis=1) >= scenario.step_seconds - 1e-9).all()
    assert (outcome.waits >= 0).all()
    wanted = scenario.trainers * scenario.steps
    placed, hedges = (sum(getattr(one, name) for one in outcome.clients) for name in ("requests", "hedges"))
    completed, begun = (sum(getattr(one, name) for one in outcome.servers) for name in ("completed", "begun"))
    broken = sum(one.broken for one in outcome.servers)
    assert placed + hedges >= begun >= completed >= wanted  # the last hedges may still be on their way
    assert placed <= wanted + broken + sum(one.failures for one in outcome.clients)
    assert sum(one.samples for one in outcome.servers) == completed * scenario.samples


def test_steps_are_conserved_and_trainers_with_room_never_wait() -> None:
    outcome = simulate(SCENARIO)
    finished(outcome, SCENARIO)
    assert outcome.waits[:, 5:].max() == 0
    assert outcome.hedges == 0
    assert outcome.seconds >= SCENARIO.steps * SCENARIO.step_seconds


def test_beyond_their_capacity_the_servers_set_the_pace() -> None:
    busy = at_load(SCENARIO, 2.0)
    outcome = simulate(busy)
    finished(outcome, busy)
    rate = busy.trainers * busy.samples * busy.steps / outcome.seconds
    assert rate == pytest.approx(busy.servers * TIMES.capacity(1, busy.samples), rel=0.15)


def test_the_same_seed_gives_the_same_outcome_and_another_does_not() -> None:
    noisy = replace(SCENARIO, stutter=Stutter(0.02, 0.5), steps=20)
    first, again, other = simulate(noisy), simulate(noisy), simulate(replace(noisy, seed=2))
    assert (first.taken_at == again.taken_at).all()
    assert first.clients == again.clients
    assert (first.taken_at != other.taken_at).any()


def test_one_server_is_enough_and_is_never_hedged() -> None:
    alone = at_load(replace(SCENARIO, servers=1, jobs=1, ranks=1, stutter=Stutter(0.05, 1.0)), 0.3)
    outcome = simulate(alone)
    finished(outcome, alone)
    assert outcome.hedges == 0
    assert outcome.waits[0, 0] > TIMES.request + 24 * TIMES.making + ROUND_TRIP


@pytest.mark.parametrize("failure", ["hangs", "refuses"])
def test_a_failing_server_costs_no_step_and_comes_back(failure: Any) -> None:
    scenario = at_load(replace(SCENARIO, steps=400, faults=(Fault(failure, 0, 1, 4.0, 16.0),)), 0.5)
    outcome = simulate(scenario)
    finished(outcome, scenario)
    assert outcome.servers[0].broken > 0
    assert outcome.waits[:, 5:].max() < 2.0
    later = outcome.servers[0].completed * scenario.servers / (scenario.trainers * scenario.steps)
    assert 0.2 < later < 1.0
    assert sum(one.ejections for one in outcome.clients) >= 1


def test_hedges_shorten_the_wait_for_a_server_that_stutters() -> None:
    scenario = at_load(replace(SCENARIO, steps=150, stutter=Stutter(0.004, 6.0)), 0.3)
    hedged, not_hedged = (simulate(replace(scenario, hedging=hedging)) for hedging in (True, False))
    assert hedged.hedges > 0
    assert hedged.waits.sum() < 0.6 * not_hedged.waits.sum()
