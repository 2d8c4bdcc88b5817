"""The loader next to a main thread that holds the interpreter's lock."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import client
from benchmarks.material import Material
from benchmarks.row import Row, paired
from benchmarks.server import server

BATCH = 48
STEPS = 12
RUNS = 5


def rows(source: Material, folder: Path) -> Iterator[Row]:
    """Measure dense output of the loader with and without a busy interpreter, on cached steps."""
    with server(source, folder / "server.log", batch_cache_mb=512) as running:
        for _ in range(2):
            _megabytes_per_second(running.url)  # fills the batch cache, so that only delivery is measured
        alone, busy = [], []
        for _ in range(RUNS):
            alone.append(_megabytes_per_second(running.url))
            with _busy_interpreter():
                busy.append(_megabytes_per_second(running.url))
    name = "loader next to a thread that holds the GIL, dense output"
    yield paired(name, "MB/s", busy, "the same without it", alone, 0.5, at_most=False)


def _megabytes_per_second(url: str) -> float:
    size = 0
    with client.loader(url, seed=1, batch_size=BATCH, start=0, stop=STEPS + 1) as batches:
        next(batches)  # until here a process had to start
        began = time.perf_counter()
        for batch in batches:
            size += sum(array.nbytes for array in batch.arrays.values())
        return size / 1e6 / (time.perf_counter() - began)


@contextmanager
def _busy_interpreter() -> Iterator[None]:
    """Run a thread that computes in pure Python and never yields the interpreter's lock by itself."""
    stop = threading.Event()

    def spin() -> None:
        value = 0
        while not stop.is_set():
            for number in range(10_000):
                value += number

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
