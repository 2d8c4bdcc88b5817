"""The whole service on this machine: server, workers and client."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.material import Material
from benchmarks.row import Row, milliseconds
from client import SamplerClient, Shard, StreamRequest
from client.tour_server import own_server
from sampler.compiled_kernels import COMPILED, warm_up
from sampler.config import preset
from sampler.keys import SampleKey
from sampler.sample import make_sample

BATCH = 48
STEPS = 12


def rows(source: Material, folder: Path) -> Iterator[Row]:
    """Measure the first batch beside later ones, and processor time beside that of the sampler alone."""
    alone = _alone(source)
    with _server(source, folder) as (url, server), SamplerClient(url) as client:
        client.spec()
        batches = client.packed_stream(StreamRequest(seed=1, start=0, stop=STEPS + 1, shard=Shard(BATCH)))
        waits = []
        before = _processor_seconds(server)
        for _ in range(STEPS):
            began = time.perf_counter()
            next(batches)
            waits.append((time.perf_counter() - began) * 1000)
        spent = (_processor_seconds(server) - before) * 1000 / (STEPS * BATCH)
        batches.close()
    later = sorted(waits[1:])[len(waits) // 2]
    yield Row("processor time of a sample, whole service, from JPEG", "ms", spent, "sampler alone", alone, 1.15)
    yield Row("first batch after the server is ready", "ms", waits[0], "later batches", later, 2.0)


def _alone(source: Material) -> float:
    warm_up()
    dataset, config = source.open(), preset("cornernet_saccade")
    keys = [SampleKey(1, index // len(dataset), index % len(dataset)) for index in range(96)]
    (taken,) = milliseconds([lambda index: make_sample(dataset, config, keys[index], kernels=COMPILED)], len(keys))
    return taken


@contextmanager
def _server(source: Material, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    settings = {"ANNOTATIONS": source.annotations, "IMAGES": source.images, "CACHE_DIR": source.cache_dir}
    os.environ.update({f"SAMPLER_{name}": str(value) for name, value in settings.items()})
    with own_server(folder / "server.log", lambda _: None) as url:
        (server,) = (child for child in psutil.Process().children() if "uvicorn" in " ".join(child.cmdline()))
        yield url, server


def _processor_seconds(server: psutil.Process) -> float:
    """Return what server, workers and this client have used so far."""
    return sum(sum(one.cpu_times()[:2]) for one in (psutil.Process(), server, *server.children()))
