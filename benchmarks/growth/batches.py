"""Batches of 1 to 1,024 samples: latency and throughput of one request at a time."""

import statistics
import time
from collections.abc import Sequence

from benchmarks.clients import Work, client_processes
from benchmarks.growth.model import Affine
from benchmarks.growth.study import Curve, Panel, Study
from benchmarks.material import Material
from benchmarks.measuring import each_run
from benchmarks.sampling import COUNT, sampling
from benchmarks.server import MeasuredServer
from sampler.cpus import available_cpus

SIZES = (1, 4, 16, 64, 256, 1024)
"""A server allows 1,024 by default."""
SAMPLES = 512
"""Of each size, at least."""
FEWEST, MOST = 3, 64
"""Requests of each size."""


def study(source: Material, running: MeasuredServer) -> Study:
    """Measure requests of each size, and the sampler alone for the model."""
    (alone,) = each_run([sampling(source.open())], COUNT, clock=time.process_time)
    latencies = []
    with client_processes(running.url, 1) as clients:
        for seed, size in enumerate((SIZES[-1], *SIZES)):  # the first one warms up
            count = max(FEWEST, min(MOST, SAMPLES // size))
            (report,) = clients.receive([Work(seed, (0, count), size, connections=1)])
            latencies.append(statistics.median(report.waits) * 1000)
    return of_latencies(latencies[1:], statistics.median(alone), available_cpus())


def of_latencies(latencies: Sequence[float], sampler: float, cpus: int) -> Study:
    """Return the study of the median latency of each size, in ms. sampler: ms that a sample takes it alone."""
    model = Affine(latencies[0], sampler / cpus)
    costs = tuple(model.cost(size) for size in SIZES)
    latency = Curve("one request", tuple(latencies), costs)
    rate = Curve("one request at a time", _rates(latencies), _rates(costs))
    return Study(
        "growth-batches", "Batches of one to 1,024 samples", "samples in a batch", SIZES,
        (Panel("ms of latency", (latency,), logarithmic=True), Panel("samples/s", (rate,))),
        "the latency of one sample, and for each further one the time of the sampler alone ÷ CPUs",
    )  # fmt: skip


def _rates(latencies: Sequence[float]) -> tuple[float, ...]:
    return tuple(size / latency * 1000 for size, latency in zip(SIZES, latencies, strict=True))
