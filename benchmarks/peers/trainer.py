"""`python -m benchmarks.peers.trainer FILE`: receive batches as a trainer does, and measure how fast they come.

The job arrives pickled on standard input; FILE gets a pickled list of `Measured`, one for each route. The trainer does
not read the arrays: memory that was never written before, as some peers hand over, would cost more to read.
"""

import importlib
import pickle
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.peers import load_own
from benchmarks.peers.job import BATCH, WORKERS, Job, Measured, OwnJob, PeerJob, Window
from benchmarks.peers.routes import Route
from benchmarks.sampling import CONFIG
from sampler.array_table import dense_table

Batches = Iterator[Mapping[str, Any]]
"""Dense arrays by name, as NumPy arrays or tensors."""


def main() -> None:
    """Do the job."""
    job: Job = pickle.load(sys.stdin.buffer)
    found = _measure_peer(job) if isinstance(job, PeerJob) else [_measure_own(job)]
    Path(sys.argv[1]).write_bytes(pickle.dumps(found))


def _measure_peer(job: PeerJob) -> list[Measured]:
    # By name, because each peer is optional.
    loader = importlib.import_module(f"benchmarks.peers.load_{job.peer}")
    found = []
    for name in job.routes:
        batches: Generator[Mapping[str, Any]] = loader.batches(Route(name, job.source), BATCH, WORKERS)
        with closing(batches):
            found.append(receive(batches, job.window))
    return found


def _measure_own(job: OwnJob) -> Measured:
    batches = load_own.batches(job.url, seed=job.seed, batch_size=BATCH, rank=job.rank, world_size=job.world_size)
    with closing(batches):
        return receive(batches, job.window, psutil.Process(job.server))


def receive(batches: Batches, window: Window, server: psutil.Process | None = None) -> Measured:
    """Take batches until the window is over. Raises ValueError if they are not those of the dense layout."""
    for _ in range(window.warm_up):
        check(next(batches))
    own, samples = psutil.Process(), 0
    own_before, server_before = _cpu_seconds(own), _cpu_seconds(server)
    began = time.perf_counter()
    taken = 0.0
    while taken < window.seconds or samples < window.samples:
        samples += len(next(batches)["images"])
        taken = time.perf_counter() - began
    return Measured(samples, taken, _cpu_seconds(own) - own_before, _cpu_seconds(server) - server_before)


def check(batch: Mapping[str, Any]) -> None:
    """Raise ValueError unless a batch has the names, shapes and dtypes of dense arrays."""
    categories = batch["tl_heats"].shape[1]
    expected = {spec.name: (spec.dtype, (BATCH, *spec.shape)) for spec in dense_table(CONFIG, categories)}
    found = {name: (np.asarray(array).dtype.str, tuple(array.shape)) for name, array in batch.items()}
    if found != expected:
        raise ValueError(f"the loader gives {found}; expected {expected}")


def _cpu_seconds(root: psutil.Process | None) -> float:
    """Return the CPU time so far of a process and all that it started, except those that ended."""
    if root is None:
        return 0.0
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            seconds += sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return seconds


if __name__ == "__main__":
    main()
