"""Service times for the simulation, measured with a real server and kept in a file."""

import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.fleet.scenario import RUN, ServiceTimes
from benchmarks.material import Material
from benchmarks.server import MeasuredServer, server
from client import SamplerClient, Shard, StepRequest
from saccade_sampler.planning.measuring import Load, cost_of
from saccade_sampler.planning.processes import ServerProcesses

SMALL = 2
REQUESTS = 240
"""Of each size."""
WARM_UP = 20


def measure_service_times(source: Material, folder: Path) -> ServiceTimes:
    """Measure requests for one run, one after another, at a server with one worker that does nothing else."""
    with server(source, folder / "server.log", workers=1) as running:
        return times_of(running)[0]


def times_of(running: MeasuredServer, requests: int = REQUESTS) -> tuple[ServiceTimes, list[float]]:
    """Return the service times of a server with one worker, and the seconds that requests for one run took.

    The means are CPU times. How the time of a run varies is that of the seconds.
    """
    processes = ServerProcesses.of(running.process.pid)
    with SamplerClient(running.url) as client:
        large, seconds = _requests(client, processes, RUN, requests, seed=1)
        small, _ = _requests(client, processes, SMALL, requests, seed=2)
    cost, mean = cost_of(large, small), sum(seconds) / len(seconds)
    ratios = tuple(round(one / mean, 4) for one in sorted(seconds))
    times = ServiceTimes(cost.request / 1000, cost.server / 1000, cost.workers / 1000, large.wire_bytes / RUN, ratios)
    return times, seconds


def write_service_times(file: Path, times: ServiceTimes) -> None:
    """Keep measured times."""
    file.write_text(json.dumps(asdict(times), indent=1) + "\n")


def read_service_times(file: Path) -> ServiceTimes:
    """Return the times that were kept."""
    fields = json.loads(file.read_text())
    return ServiceTimes(**fields | {"ratios": tuple(fields["ratios"])})


def _requests(
    client: SamplerClient, processes: ServerProcesses, samples: int, requests: int, seed: int
) -> tuple[Load, list[float]]:
    """Return the cost of requests, and the seconds that each took."""
    for step in range(WARM_UP):
        client.packed_batch(StepRequest(seed=seed, step=step, shard=Shard(samples)))
    before, times, wire_bytes = processes.cpu_seconds(), [], 0
    for step in range(WARM_UP, WARM_UP + requests):
        began = time.perf_counter()
        wire_bytes += client.packed_batch(StepRequest(seed=seed, step=step, shard=Shard(samples))).wire_bytes
        times.append(time.perf_counter() - began)
    after = processes.cpu_seconds()
    server, workers = (1000 * (now - then) / requests for now, then in zip(after, before, strict=True))
    return Load(samples, server, workers, client=0.0, wire_bytes=wire_bytes / requests), times
