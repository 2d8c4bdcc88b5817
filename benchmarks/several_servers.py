"""`python -m benchmarks.several_servers`: the throughput of one loader from one, two and three servers.

All servers run on this machine. Each has one worker, which gets a small share of a CPU, so that the servers are the
limit and not the CPUs that they share with the loader.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

import client
from benchmarks.machine import machine
from benchmarks.material import Material, material
from benchmarks.server import MeasuredServer, server
from benchmarks.table import number, terminal_table
from benchmarks.throttle import throttled

SERVERS = (1, 2, 3)
BATCH = 48
WARM_UP = 4
"""Steps for each server before the time counts, which also fills what is requested ahead."""

HEAD = ("servers", "steps/s", "samples/s", "× one server", "CPUs of the workers")


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one loader received from a number of servers.

    Attributes:
        servers: their number.
        steps: steps per second.
        cpus: CPU seconds of all workers per second.
    """

    servers: int
    steps: float
    cpus: float


def main(
    share: Annotated[float, typer.Option(help="Share of a CPU that each server's worker gets.")] = 0.04,
    steps: Annotated[int, typer.Option(help="Steps to measure for each server.")] = 15,
    rounds: Annotated[int, typer.Option(help="Rounds, of which the median counts.")] = 3,
) -> None:
    """Measure a loader with one, two and three servers that read a decoded store."""
    console = Console()
    with tempfile.TemporaryDirectory() as name, console.status("measuring"):
        folder = Path(name)
        source = material(folder / "plain").decoded(folder / "decoded")
        found = throughputs(source, folder, share, steps, rounds)
    title = f"one loader, {BATCH} samples a step, dense arrays; each server: one worker with {share:.0%} of a CPU"
    console.print(terminal_table(HEAD, lines(found), f"{title}; on {source.name}; {machine()}"))


def throughputs(source: Material, folder: Path, share: float, steps: int, rounds: int) -> list[Throughput]:
    """Measure with each number of servers in turn, and return the medians. steps: for each server."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(server(source, folder / f"server-{place}.log", workers=1, batch_cache_mb=0))
            for place in range(max(SERVERS))
        ]
        seeds = itertools.count(1)  # each its own, so that nothing is cached
        found = [[_throughput(running[:count], share, steps, next(seeds)) for count in SERVERS] for _ in range(rounds)]
    return [median(rows) for rows in zip(*found, strict=True)]


def median(rows: Sequence[Throughput]) -> Throughput:
    """Return the medians of measurements with the same number of servers."""
    return Throughput(
        rows[0].servers, statistics.median(row.steps for row in rows), statistics.median(row.cpus for row in rows)
    )


def lines(found: Sequence[Throughput]) -> list[tuple[str, ...]]:
    """Return the texts of each row, in the order of `HEAD`."""
    one = found[0].steps
    return [
        (str(row.servers), number(row.steps), number(row.steps * BATCH), number(row.steps / one), number(row.cpus))
        for row in found
    ]


def _throughput(running: Sequence[MeasuredServer], share: float, steps: int, seed: int) -> Throughput:
    workers = [worker for one in running for worker in one.process.children()]
    warm_up, count = WARM_UP * len(running), steps * len(running)
    batches = client.loader(
        [one.url for one in running], seed=seed, batch_size=BATCH, stop=warm_up + count, log_every=None
    )
    with throttled(workers, share), batches:
        for _ in range(warm_up):
            next(batches)
        began, cpu = time.perf_counter(), _cpu_seconds(workers)
        for _ in batches:
            pass
        seconds = time.perf_counter() - began
        return Throughput(len(running), count / seconds, (_cpu_seconds(workers) - cpu) / seconds)


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    typer.run(main)
