"""The whole service on this machine: server, workers and client."""

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.clients import Work, client_processes
from benchmarks.material import Material
from benchmarks.row import Row, paired
from benchmarks.sampling import making
from benchmarks.server import MeasuredServer, server
from client import SamplerClient, Shard, StepRequest, StreamRequest
from sampler.kernels.compiled.kernels import warm_up
from sampler.stream.shards import stream_keys

BATCH = 48
STEPS = 24
RUNS = 7
STARTS = 3
"""Servers that are started to measure the first batch of each."""
LATER_BATCHES = 9


def rows(jpeg: Material, recorded: Material, decoded: Material, folder: Path) -> Iterator[Row]:
    """Measure CPU time and that of the sampler alone, a second trainer, then the first batch and later ones."""
    warm_up()
    for source, name, bound in ((decoded, "the decoded store", 2.0), (recorded, "JPEG with entry points", 1.25)):
        with server(source, folder / "server.log") as running:
            served, alone = _cpu_times(source, running)
        yield paired(f"CPU time of a sample, whole service, from {name}", "ms", served, "sampler alone", alone, bound)
    with server(recorded, folder / "server.log") as running:
        yield two_trainers(running)
    yield first_batch(jpeg, folder)


def _cpu_times(source: Material, running: MeasuredServer) -> tuple[list[float], list[float]]:
    """Return the CPU time of a sample in ms in each run: of server, workers and client, and of the sampler alone."""
    dataset = source.open()
    make = making(dataset)
    served, alone = [], []
    with SamplerClient(running.url) as client:
        for seed in range(RUNS + 1):
            spent = _stream(client, running, seed)
            began = time.process_time()
            for keys in stream_keys(len(dataset), seed, range(STEPS), Shard(BATCH)):  # the same samples
                for key in keys:
                    make(key)
            if seed:  # the first run warms both up
                served.append(spent)
                alone.append((time.process_time() - began) * 1000 / (STEPS * BATCH))
    return served, alone


def _stream(client: SamplerClient, running: MeasuredServer, seed: int) -> float:
    # Another seed each time: no batch was made before.
    request = StreamRequest(seed=seed, start=0, stop=STEPS, shard=Shard(BATCH))
    before = running.cpu_seconds() + time.process_time()
    with closing(client.packed_stream(request)) as batches:
        for _ in batches:
            pass
    return (running.cpu_seconds() + time.process_time() - before) * 1000 / (STEPS * BATCH)


def two_trainers(running: MeasuredServer) -> Row:
    """Measure the server's CPU time for two trainers that stream one seed at the same time, and for one."""
    two: list[float] = []
    one: list[float] = []
    with client_processes(running.url, 2) as clients:
        for run in range(RUNS + 1):
            for trainers, spent in ((2, two), (1, one)):
                before = running.cpu_seconds()
                clients.receive([Work(2 * run + trainers, (0, STEPS), BATCH)] * trainers)
                if run:  # the first run warms up
                    spent.append((running.cpu_seconds() - before) * 1000 / (STEPS * BATCH))
    name = "CPU time of the server for a sample, two trainers of one seed"
    return paired(name, "ms", two, "one trainer", one, 1.1)


def first_batch(source: Material, folder: Path) -> Row:
    """Measure the first batch of a server that has just become ready, and later ones."""
    first, later = [], []
    for _ in range(STARTS):
        with (
            server(source, folder / "server.log", entry_points=False) as running,
            SamplerClient(running.url) as client,
        ):
            client.spec()
            waits = [_wait(client, step) for step in range(1 + LATER_BATCHES)]
        first.append(waits[0])
        later.append(statistics.median(waits[1:]))
    return paired("first batch after the server is ready", "ms", first, "later batches", later, 2.0)


def _wait(client: SamplerClient, step: int) -> float:
    began = time.perf_counter()
    client.packed_batch(StepRequest(seed=1, step=step, shard=Shard(BATCH)))
    return (time.perf_counter() - began) * 1000
