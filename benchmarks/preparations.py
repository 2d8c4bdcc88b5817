"""What preparing a dataset costs, and what it saves: nothing, entry points, or the decoded store."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import Work, client_processes
from benchmarks.material import Material
from benchmarks.measuring import each_run
from benchmarks.sampling import COUNT, sampling
from benchmarks.server import server
from benchmarks.table import markdown, number
from sampler.config.presets import preset
from sampler.cpus import available_cpus
from sampler.dataset.images.entry_points.records import EntryPointRecords
from sampler.dataset.preparation.entry_points import record_images
from sampler.dataset.preparation.store_writer import open_writer

TRAIN2017 = 118_287
"""Images of COCO train2017, for which size and time are given too."""

CONFIGS = ("cornernet_saccade", "cornernet")
RUNS = 7
STREAMS, STEPS, BATCH = 3, 20, 48


@dataclass(frozen=True, slots=True)
class Preparation:
    """A way to prepare a dataset.

    Attributes:
        name: In words.
        bytes: Disk space of an image; 0 if nothing is prepared.
        seconds: Time to prepare an image, with all CPUs at work.
        milliseconds: CPU time of a sample in the compact layout, for each of `CONFIGS`.
        rate: Samples per second that one trainer receives from a server on the same machine.
    """

    name: str
    bytes: float
    seconds: float
    milliseconds: dict[str, float]
    rate: float


def preparations(jpeg: Material, recorded: Material, decoded: Material, folder: Path) -> list[Preparation]:
    """Measure the three ways."""
    sources = {"nothing": jpeg, "entry points": recorded, "decoded store": decoded}
    costs = {"nothing": (0.0, 0.0), "entry points": _recording(jpeg, folder), "decoded store": _decoding(jpeg, folder)}
    times = _sampler_times(list(sources.values()))
    return [
        Preparation(name, *costs[name], milliseconds, _rate(source, folder, entry_points=source != jpeg))
        for (name, source), milliseconds in zip(sources.items(), times, strict=True)
    ]


def preparations_markdown(found: Sequence[Preparation]) -> str:
    """Return the table of the preparations, one in each column."""
    return markdown(("", *(one.name for one in found)), lines(found))


def lines(found: Sequence[Preparation]) -> list[tuple[str, ...]]:
    """Return the lines of the table below the names of the preparations."""
    cells: dict[str, Callable[[Preparation], str]] = {
        "disk space of an image": lambda one: _size(one.bytes),
        "disk space of 118,287 images like these (train2017)": lambda one: _size(one.bytes * TRAIN2017),
        "time to prepare as many, on this machine": lambda one: _duration(one.seconds * TRAIN2017),
        "CPU time of a sample, cornernet_saccade": lambda one: f"{number(one.milliseconds['cornernet_saccade'])} ms",
        "CPU time of a sample, cornernet": lambda one: f"{number(one.milliseconds['cornernet'])} ms",
        "samples per second, one trainer on the same machine": lambda one: number(one.rate),
    }
    return [(name, *(cell(one) for one in found)) for name, cell in cells.items()]


def _sampler_times(sources: Sequence[Material]) -> list[dict[str, float]]:
    datasets = [source.open() for source in sources]
    makers = [sampling(dataset, preset(config)) for dataset in datasets for config in CONFIGS]
    medians = [statistics.median(times) for times in each_run(makers, COUNT, RUNS, time.process_time)]
    return [dict(zip(CONFIGS, medians[first : first + 2], strict=True)) for first in range(0, len(medians), 2)]


def _rate(source: Material, folder: Path, entry_points: bool) -> float:
    with (
        server(source, folder / "server.log", entry_points=entry_points) as running,
        client_processes(running.url, 1) as clients,
    ):
        works = [Work(seed, (0, STEPS), BATCH) for seed in range(STREAMS + 1)]
        seconds = [clients.receive([work])[0].seconds for work in works]
    return STEPS * BATCH / statistics.median(seconds[1:])  # the first stream warms up


def _recording(source: Material, folder: Path) -> tuple[float, float]:
    """Return disk space and seconds of recording the entry points of an image."""
    dataset = source.open()
    records = EntryPointRecords.open(folder / "preparation.bin")
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in record_images(dataset, records, available_cpus(), force=True):
            pass
        seconds.append((time.perf_counter() - began) / len(dataset))
    return records.disk_bytes / len(dataset), statistics.median(seconds)


def _decoding(source: Material, folder: Path) -> tuple[float, float]:
    """Return disk space and seconds of decoding an image into the store."""
    dataset, cpus = source.open(), available_cpus()
    seconds = []
    for _ in range(RUNS):
        with open_writer(dataset, folder / "preparation", True, cpus) as writer:
            began = time.perf_counter()
            writer.run(cpus, lambda _: None)
            seconds.append((time.perf_counter() - began) / len(dataset))
    return writer.nbytes / len(dataset), statistics.median(seconds)


def _size(nbytes: float) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if nbytes >= unit:
            return f"{number(nbytes / unit)} {name}"
    return "–"


def _duration(seconds: float) -> str:
    if seconds == 0:
        return "–"
    return f"{seconds / 60:,.1f} minutes" if seconds >= 60 else f"{seconds:,.0f} s"
