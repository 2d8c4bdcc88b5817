"""`python -m benchmarks.object_storage`: samples per second with images in object storage, by the latency of its host.

Server, S3 server, proxy and client share this machine, so the numbers compare with each other alone.
"""

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from benchmarks.machine import machine
from benchmarks.material import Material, material
from benchmarks.server import MeasuredServer, server
from benchmarks.table import terminal_table
from tests.support.object_store import ObjectStore, object_store

WORKERS = 2
BATCH_SIZE = 48
LATENCIES = (0.0, 0.02, 0.05, 0.1)
"""Seconds that the proxy adds to each response."""

IMAGES = 1000
"""Images of the dataset, at least."""

WARM_UP = 2
"""Runs before those that count. In the first, entry points are recorded."""

HEAD = ("images", "added latency", "requests per sample", "samples/s", "of those without latency")


def main(
    steps: Annotated[int, typer.Option(min=1, help="Steps of each run.")] = 12,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each latency; the median counts.")] = 5,
) -> None:
    """Measure one server with its images in a folder, and one with the same images in object storage."""
    console = Console()
    with tempfile.TemporaryDirectory() as name, console.status("measuring"), object_store() as storage:
        folder = Path(name).resolve()
        local = _repeated(material(folder / "cache"), folder)
        os.environ.update(storage.variables)
        url = storage.upload(local.images, "images")
        with server(local, folder / "local.log", workers=WORKERS, batch_cache_mb=0) as running:
            near = statistics.median(_rates(running, steps, runs))
        with server(local, folder / "remote.log", workers=WORKERS, batch_cache_mb=0, images=url) as running:
            far = _rates_by_latency(running, storage, steps, runs)
            fetched = storage.proxy.requests["GET"] / (WARM_UP + runs * len(LATENCIES)) / steps / BATCH_SIZE
    title = f"{local.name}; {machine()}; {WORKERS} workers, batches of {BATCH_SIZE}, {runs} runs of {steps} steps"
    console.print(terminal_table(HEAD, _lines(near, far, fetched), title))


def _rates_by_latency(running: MeasuredServer, storage: ObjectStore, steps: int, runs: int) -> dict[float, float]:
    """Return the median of samples/s for each latency. The latencies take turns, after those that warm up."""
    rates: dict[float, list[float]] = {latency: [] for latency in LATENCIES}
    storage.settle()
    for run in range(WARM_UP):
        _rate(running, run * steps, steps)
    for run in range(WARM_UP, WARM_UP + runs):
        for latency, found in rates.items():
            storage.proxy.latency = latency
            found.append(_rate(running, run * steps, steps))
    return {latency: statistics.median(found) for latency, found in rates.items()}


def _rates(running: MeasuredServer, steps: int, runs: int) -> list[float]:
    return [_rate(running, run * steps, steps) for run in range(WARM_UP + runs)][WARM_UP:]


def _rate(running: MeasuredServer, start: int, steps: int) -> float:
    """Return the samples per second of a stream that nothing but the server limits."""
    query = f"seed=1&batch_size={BATCH_SIZE}&start={start}&stop={start + steps}"
    began = time.perf_counter()
    with httpx.stream("GET", f"{running.url}/v1/stream?{query}", timeout=120) as response:
        response.raise_for_status()
        for _ in response.iter_raw(1 << 20):
            pass
    return steps * BATCH_SIZE / (time.perf_counter() - began)


def _repeated(source: Material, folder: Path) -> Material:
    """Return a dataset with every image several times under other names: each sample needs another object."""
    content: dict[str, Any] = json.loads(source.annotations.read_text())
    images, annotations = content["images"], content["annotations"]
    copies = -(-IMAGES // len(images))
    step = 1 + max(entry["id"] for entry in (*images, *annotations))
    content["images"] = [
        image | {"id": image["id"] + copy * step, "file_name": f"{copy}/{image['file_name']}"}
        for copy in range(copies)
        for image in images
    ]
    content["annotations"] = [
        one | {"id": one["id"] + copy * step, "image_id": one["image_id"] + copy * step}
        for copy in range(copies)
        for one in annotations
    ]
    file = folder / "annotations.json"
    file.write_text(json.dumps(content))
    for copy in range(copies):
        shutil.copytree(source.images, folder / "images" / str(copy))
    return replace(source, annotations=file, images=folder / "images")


def _lines(near: float, far: dict[float, float], fetched: float) -> Sequence[Sequence[str]]:
    """Return the lines of the table. near, far: Samples/s. fetched: Requests per sample."""
    lines = [("folder", "–", "–", f"{near:.0f}", f"{100 * near / far[0.0]:.0f} %")]
    for latency, rate in far.items():
        share = f"{100 * rate / far[0.0]:.0f} %"
        lines.append(("object storage", f"{latency * 1000:.0f} ms", f"{fetched:.2f}", f"{rate:.0f}", share))
    return lines


if __name__ == "__main__":
    typer.run(main)
