"""Small cases with real servers and clients on this host, next to their simulation."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.fleet.measured import times_of
from benchmarks.fleet.scenario import RUN, Scenario, ServiceTimes
from benchmarks.fleet.simulation import simulate
from benchmarks.fleet.trainers import ROUND_TRIP
from benchmarks.material import Material
from benchmarks.server import MeasuredServer, server
from client import SamplerClient, Shard, StepRequest

CASES = ((1, 1, 0.3), (1, 4, 0.6), (2, 4, 0.4), (3, 4, 0.3))
"""Numbers of servers and of trainers, and the load: what trainers ask for as a share of what the workers make. Servers
and trainers share the CPUs of this host, so that few of them are busy at once."""
STEPS = 100
REQUESTS = 80
WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """One case.

    Attributes:
        servers: Number of servers, with one worker each.
        trainers: Number of trainers, which request each step when they need it.
        load: What they ask for, as a share of what the workers make.
        median: Median time of a request as measured, in ms.
        simulated_median: As simulated.
        p90: 90th percentile of the time of a request as measured, in ms.
        simulated_p90: As simulated.
    """

    servers: int
    trainers: int
    load: float
    median: float
    simulated_median: float
    p90: float
    simulated_p90: float


def compare(source: Material, folder: Path) -> list[Comparison]:
    """Run each case, and simulate it with the service times that were measured just before."""
    return [_compare(source, folder, *case) for case in CASES]


def _compare(source: Material, folder: Path, servers: int, trainers: int, load: float) -> Comparison:
    with _servers(source, folder, servers) as running:
        times = _calibrated(running[0])
        scenario = Scenario(
            servers, trainers, ranks=1, samples=RUN, step_seconds=trainers * RUN * times.making / (servers * load),
            steps=STEPS, times=times, workers=1, prefetching=False,
        )  # fmt: skip
        measured = _train([one.url for one in running], scenario)
    simulated = simulate(scenario).waits[:, WARM_UP:].ravel()
    percentiles = [1000 * float(np.percentile(waits, share)) for share in (50, 90) for waits in (measured, simulated)]
    return Comparison(servers, trainers, load, *percentiles)


@contextmanager
def _servers(source: Material, folder: Path, count: int) -> Iterator[list[MeasuredServer]]:
    with ExitStack() as stack:
        logs = [folder / f"server-{number}.log" for number in range(count)]
        yield [stack.enter_context(server(source, log, workers=1)) for log in logs]


def _calibrated(running: MeasuredServer) -> ServiceTimes:
    """Return the service times of a server, so that a request alone takes as long as it was measured to take."""
    times, seconds = times_of(running, REQUESTS)
    factor = (float(np.mean(seconds)) - ROUND_TRIP) / (times.request + RUN * (times.sending + times.making))
    return replace(times, request=factor * times.request, sending=factor * times.sending, making=factor * times.making)


def _train(urls: Sequence[str], scenario: Scenario) -> list[float]:
    """Return the seconds of all requests of the trainers, without the first ones of each."""
    found: list[list[float]] = [[] for _ in range(scenario.jobs)]

    def train(number: int) -> None:
        with SamplerClient(list(urls)) as client:
            time.sleep(number * scenario.step_seconds / scenario.jobs)
            for step in range(scenario.steps):
                began = time.perf_counter()
                client.packed_batch(StepRequest(seed=10 + number, step=step, shard=Shard(scenario.samples)))
                found[number].append(time.perf_counter() - began)
                time.sleep(scenario.step_seconds)

    threads = [threading.Thread(target=train, args=(number,)) for number in range(scenario.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if any(len(waits) != scenario.steps for waits in found):
        raise RuntimeError("a trainer has failed; see its error above")
    return [seconds for waits in found for seconds in waits[WARM_UP:]]
