"""1 to 64 requests at the same time, each for one batch: throughput and latency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.clients import Report, Work, client_processes
from benchmarks.growth.model import ClosedLoop
from benchmarks.growth.study import Curve, Panel, Study
from benchmarks.server import MeasuredServer
from sampler.cpus import available_cpus

REQUESTS = (1, 2, 4, 8, 16, 32, 64)
"""At the same time; a server admits 64 by default."""
BATCH = 16
PROCESSES = 4
FEWEST, OF_EACH = 192, 6
"""Requests that are measured in all, and of each connection, at least."""


@dataclass(frozen=True, slots=True)
class Load:
    """What so many concurrent requests waited.

    Attributes:
        waits: Seconds of each request.
        rate: Requests per second.
        cpu: CPU seconds of a request, of server, workers and clients.
    """

    waits: Sequence[float]
    rate: float
    cpu: float


def study(running: MeasuredServer) -> Study:
    """Measure samples per second and latency."""
    with client_processes(running.url, PROCESSES) as clients:
        loads = []
        for place, count in enumerate((REQUESTS[-1], *REQUESTS)):  # the first one warms up
            works = works_of(count, seed=place)
            before = running.cpu_seconds()
            reports = clients.receive(works)
            loads.append(_load(reports, running.cpu_seconds() - before))
    return of_loads(loads[1:], available_cpus())


def works_of(count: int, seed: int) -> list[Work]:
    """Return work for at most PROCESSES clients with as many connections as there are to be requests at a time."""
    processes = min(count, PROCESSES)
    steps = -(-max(FEWEST, count * OF_EACH) // processes)
    return [
        Work(seed, (first * steps, (first + 1) * steps), BATCH, connections=count // processes)
        for first in range(processes)
    ]


def of_loads(loads: Sequence[Load], cpus: int) -> Study:
    """Return the study of the loads of `REQUESTS`."""
    model = ClosedLoop(float(np.median(loads[0].waits)), loads[0].cpu / cpus)
    rate = Curve(
        "all requests", tuple(BATCH * load.rate for load in loads), tuple(BATCH * model.rate(n) for n in REQUESTS)
    )
    p50 = Curve("median", tuple(_percentile(load, 50) for load in loads), tuple(1000 * model.wait(n) for n in REQUESTS))
    p99 = Curve("99th percentile", tuple(_percentile(load, 99) for load in loads))
    return Study(
        "growth-requests", f"Concurrent requests for batches of {BATCH}", "concurrent requests", REQUESTS,
        (Panel("samples/s", (rate,)), Panel("ms of latency", (p50, p99), logarithmic=True)),
        "a request waits its turn on busy CPUs: CPU time of one request × requests ÷ CPUs, and at least the latency of "
        "one alone",
    )  # fmt: skip


def _load(reports: Sequence[Report], server_cpu: float) -> Load:
    waits = [wait for report in reports for wait in report.waits]
    cpu = server_cpu + sum(report.cpu_seconds for report in reports)
    return Load(waits, len(waits) / max(report.seconds for report in reports), cpu / len(waits))


def _percentile(load: Load, percent: float) -> float:
    """Return a percentile of the waits, in ms."""
    return float(np.percentile(load.waits, percent, method="higher")) * 1000
