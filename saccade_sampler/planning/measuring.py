"""Measuring on this host what a sample costs, with a real server of some images of a dataset.

The server reads these images from the page cache. So the times are those of the CPU, not of the disk.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from client.commands.tour_server import own_server
from client.errors import ClientError
from client.protocol.requests import StepRequest
from client.sync_client import SamplerClient
from saccade_sampler.planning.demand import PlanError
from saccade_sampler.planning.measurement import FORMAT, Cost, Measurement, Memory, Preparation
from saccade_sampler.planning.processes import CpuSeconds, ServerProcesses, require_proc
from saccade_sampler.planning.sample_images import SampleImages
from sampler.array_table import largest_sample
from sampler.arrays import LAYOUTS, Layout
from sampler.cpus import available_cpus, describe_host
from sampler.progress import Advance, progress_bar
from sampler.stream.shards import Shard
from sampler.version import VERSION

LARGE, SMALL = 24, 2
"""Samples of the requests from whose costs those of a sample and of a request follow."""
MOST_BATCH_BYTES = 256 << 20
"""Dense arrays of a batch that is measured."""
WARM_UP_REQUESTS = 3
LEAST_CPU_SECONDS = 0.05
"""Of the server's process and of the workers, in each measurement: the system counts in steps of 0.01 s."""
MOST_REQUESTS = 10_000
"""Requests after which both must have used so much."""
SIZES = 2
STEPS = 3 + 2 * (1 + SIZES * len(LAYOUTS))
"""Steps of the progress bar: reading and preparing the images, and for each preparation a server and its loads."""


@dataclass(frozen=True, slots=True)
class Load:
    """What requests of one size have cost, for each of them.

    Attributes:
        samples: Of a request.
        server: CPU time of the server's process in ms.
        workers: CPU time of the workers in ms.
        client: CPU time of the client in ms.
        wire_bytes: Of the response.
    """

    samples: int
    server: float
    workers: float
    client: float
    wire_bytes: float


@dataclass(frozen=True, slots=True)
class Served:
    """What a server of one preparation has cost."""

    costs: dict[Layout, Cost]
    sample_bytes: dict[Layout, float]
    memory: Memory


def measure(images: Callable[[Path], SampleImages], seconds: float, quiet: bool = False) -> Measurement:
    """Return what a sample of a dataset costs on this host.

    Args:
        images: Returns images of the dataset, with a cache folder of their own.
        seconds: Time under load, of all requests together.
        quiet: Show no progress. It is shown on a terminal only.

    Raises:
        PlanError: This system cannot be measured, the dataset has no usable image, or the server failed.
        SamplerError: The dataset cannot be opened or prepared.
    """
    require_proc()
    show = not quiet and sys.stderr.isatty()
    with (
        tempfile.TemporaryDirectory(prefix="saccade-sampler-plan-") as name,
        progress_bar("measuring", STEPS, show=show) as advance,
    ):
        chosen = images(Path(name))
        advance()
        try:
            return _measure(chosen, seconds / (2 * SIZES * len(LAYOUTS)), advance)
        except ClientError as error:
            raise PlanError(f"the server that is measured has failed: {error}") from error


def _measure(chosen: SampleImages, seconds: float, advance: Advance) -> Measurement:
    """Measure a server with entry points, then one with a decoded store. seconds: for each size and layout."""
    recorded = chosen.record_entry_points()
    advance()
    entry_points = _serve(chosen, seconds, advance)
    stored = chosen.decode()  # the next server finds the store
    advance()
    store = _serve(chosen, seconds, advance)
    return Measurement(
        format=FORMAT,
        version=VERSION,
        host=describe_host(),
        cores=available_cpus(),
        dataset=chosen.title,
        config=chosen.config.name,
        images=chosen.all_images,
        measured_images=len(chosen.dataset),
        file_bytes=chosen.file_bytes,
        index_bytes=chosen.index_bytes,
        sample_bytes=entry_points.sample_bytes,
        entry_points=Preparation(recorded, entry_points.costs),
        store=Preparation(stored, store.costs),
        memory=entry_points.memory,
    )


def cost_of(large: Load, small: Load) -> Cost:
    """Return the cost of a sample and of a request, which those of two sizes of requests give.

    The server's process takes `request` + n · `server` for a request of n samples. If noise hides what the request
    itself costs, it costs nothing, and the samples all.
    """
    sample = (large.server - small.server) / (large.samples - small.samples)
    request = large.server - large.samples * sample
    if sample < 0 or request < 0:
        sample, request = large.server / large.samples, 0.0
    return Cost(large.workers / large.samples, sample, request, large.client / large.samples)


def _serve(images: SampleImages, seconds: float, advance: Advance) -> Served:
    """Measure a server of the images as they are prepared now. seconds: for each size and layout."""
    log = images.folder / "server.log"
    costs: dict[Layout, Cost] = {}
    sizes: dict[Layout, float] = {}
    with own_server(log, lambda _: None, images.environment(os.environ)) as running:
        processes = ServerProcesses.of(running.pid)
        held = [processes.memory()]
        advance()
        for number, layout in enumerate(LAYOUTS):
            with SamplerClient(running.url, layout=layout) as client:
                measured = partial(_load, client, processes, layout, number, seconds)
                large = measured(_large(images))
                held.append(processes.memory())
                advance()
                small = measured(max(1, min(SMALL, large.samples - 1)))
                advance()
            costs[layout] = cost_of(large, small)
            sizes[layout] = large.wire_bytes / large.samples
    return Served(costs, sizes, _most(held))


def _load(
    client: SamplerClient, processes: ServerProcesses, layout: Layout, seed: int, seconds: float, samples: int
) -> Load:
    """Request steps one after another for some seconds."""
    requests = (StepRequest(seed=seed, step=step, shard=Shard(samples), layout=layout) for step in range(1 << 40))
    for _ in range(WARM_UP_REQUESTS):
        client.packed_batch(next(requests)).render()
    before, own, end = processes.cpu_seconds(), time.process_time(), time.monotonic() + seconds
    count, wire_bytes = 0, 0
    while time.monotonic() < end or not _enough(processes.cpu_seconds(), before, count):
        packed = client.packed_batch(next(requests))
        packed.render()
        count, wire_bytes = count + 1, wire_bytes + packed.wire_bytes
    after, own = processes.cpu_seconds(), time.process_time() - own
    server, workers = after.server - before.server, after.workers - before.workers
    return Load(samples, 1000 * server / count, 1000 * workers / count, 1000 * own / count, wire_bytes / count)


def _enough(now: CpuSeconds, before: CpuSeconds, count: int) -> bool:
    """Return whether the processes were busy for long enough. Raises PlanError if the system does not tell."""
    if count > MOST_REQUESTS:
        raise PlanError(f"the system reports no CPU time for {count:,} requests; measure on another host")
    return min(now.server - before.server, now.workers - before.workers) >= LEAST_CPU_SECONDS


def _large(images: SampleImages) -> int:
    categories = images.config.planes(images.dataset.category_count)
    return max(2, min(LARGE, MOST_BATCH_BYTES // largest_sample("dense", images.config, categories)))


def _most(held: list[Memory]) -> Memory:
    return Memory(*(max(getattr(one, name) for one in held) for name in Memory.__struct_fields__))
