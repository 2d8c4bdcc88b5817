"""One to eight trainers: ranks that share the work of one stream, and trainers that receive the same batches."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clients import ClientProcesses, Work, client_processes
from benchmarks.growth.model import ClosedLoop, SharedWork
from benchmarks.growth.study import Curve, Panel, Study
from benchmarks.server import MeasuredServer
from sampler.cpus import available_cpus

TRAINERS = (1, 2, 4, 8)
BATCH = 48
"""Samples that each trainer receives in a step."""
STEPS = 8
RUNS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step costs.

    Attributes:
        seconds: Until all trainers have it.
        server: CPU seconds of server and workers.
        all: CPU seconds of server, workers and trainers.
    """

    seconds: float
    server: float
    all: float


def study(running: MeasuredServer) -> Study:
    """Measure samples per second of all trainers together, and the server's CPU time per sample."""
    with client_processes(running.url, max(TRAINERS)) as clients:
        _cost(running, clients, _ranks(1, seed=0))  # warms up
        ranks, same, again = [], [], []
        for count in TRAINERS:
            seeds = range(1 + 100 * count, 1 + 100 * count + RUNS)  # others each time: no batch was made before
            ranks.append(_middle([_cost(running, clients, _ranks(count, seed)) for seed in seeds]))
            same.append(_middle([_cost(running, clients, _same(count, seed + RUNS)) for seed in seeds]))
            if count == 1:
                again = [_cost(running, clients, _same(1, seeds.stop + RUNS - 1)) for _ in seeds]
    return of_costs(ranks, same, _middle(again), available_cpus())


def of_costs(ranks: Sequence[Cost], same: Sequence[Cost], again: Cost, cpus: int) -> Study:
    """Return the study of what a step costs at each number of trainers.

    ranks, same: with other batches for each trainer, and with the same ones. again: for one trainer, of batches that
    were made before.
    """
    separate = ClosedLoop(ranks[0].seconds, ranks[0].all / cpus)
    shared = SharedWork(same[0].all - again.all, again.all)
    server = SharedWork(same[0].server - again.server, again.server)
    rate = Panel("samples/s", (
        Curve("ranks of one stream", _rates(ranks), tuple(BATCH * separate.rate(count) for count in TRAINERS)),
        Curve("trainers of one seed", _rates(same), tuple(
            BATCH / max(same[0].seconds / count, shared.each(count) / cpus) for count in TRAINERS
        )),
    ))  # fmt: skip
    each = 1000 / BATCH
    cpu = Panel("ms of server CPU per sample", (
        Curve("ranks of one stream", _each(ranks), (each * ranks[0].server,) * len(TRAINERS)),
        Curve("trainers of one seed", _each(same), tuple(each * server.each(count) for count in TRAINERS)),
    ))  # fmt: skip
    return Study(
        "growth-trainers", "Trainers that receive batches of 48 at the same time", "trainers", TRAINERS, (rate, cpu),
        "the CPU time of one trainer's step, for each rank again; for one seed, batches are made once and delivered to "
        "each trainer",
    )  # fmt: skip


def _ranks(count: int, seed: int) -> list[Work]:
    return [Work(seed, (0, STEPS), BATCH * count, rank, count) for rank in range(count)]


def _same(count: int, seed: int) -> list[Work]:
    return [Work(seed, (0, STEPS), BATCH)] * count


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.server for cost in costs),
        statistics.median(cost.all for cost in costs),
    )


def _cost(running: MeasuredServer, clients: ClientProcesses, works: list[Work]) -> Cost:
    before = running.cpu_seconds()
    reports = clients.receive(works)
    server = running.cpu_seconds() - before
    everything = server + sum(report.cpu_seconds for report in reports)
    return Cost(max(report.seconds for report in reports) / STEPS, server / STEPS, everything / STEPS)


def _rates(costs: Sequence[Cost]) -> tuple[float, ...]:
    return tuple(BATCH * count / cost.seconds for count, cost in zip(TRAINERS, costs, strict=True))


def _each(costs: Sequence[Cost]) -> tuple[float, ...]:
    """Return the server's CPU time per received sample, in ms."""
    return tuple(cost.server * 1000 / (BATCH * count) for count, cost in zip(TRAINERS, costs, strict=True))
