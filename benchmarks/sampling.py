"""The sampler alone, in one process on one CPU."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.decoders import Decoder
from benchmarks.material import Material
from benchmarks.measuring import each_run
from benchmarks.row import Row, paired
from sampler.array_table import allocate
from sampler.arrays import Arrays
from sampler.config.presets import preset
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.dataset.images.entry_points.part_decoder import EntryPointDecoder
from sampler.dataset.images.entry_points.records import EntryPointRecords
from sampler.dataset.images.hashes import Hash
from sampler.kernels.compiled.kernels import COMPILED, warm_up
from sampler.layouts.convert import compact, unpack_batch
from sampler.sample.sample import PlannedSample, fill_sample, make_sample, plan_samples
from sampler.stream.keys import SampleKey

CONFIG = preset("cornernet_saccade")

COUNT = 128
"""Samples of one run."""

RUNS = 11
"""Each has other crops of the same images, so that all files stay in the page cache."""

BATCH = 48

PLANNED = 12
"""Samples of a run of a worker that decodes images."""

SMALL_SAMPLES = 2000
REPEATS = 5
"""How often each of the small-box samples is timed; its median counts, since the machine pauses now and then."""

WHOLE = "decoding the whole image"


class _NeverRecorded(EntryPointRecords):
    """Records that are written again and again: each image is decoded as if for the first time."""

    def find(self, index: int, found: Hash) -> None:  # noqa: ARG002 - whatever the image
        return None


def rows(
    jpeg: Material, recorded: Material, decoded: Material, decoded_small: Material, decoder: Decoder, folder: Path
) -> Iterator[Row]:
    """Measure samples from JPEG with and without entry points and from the store, and rendering alone."""
    warm_up()
    yield from _from_jpeg(jpeg, recorded, decoded, decoder, folder)
    yield _slowest(decoded_small.open())
    make = sampling(jpeg.open())
    yield rendering([make(index) for index in range(BATCH)], jpeg.open().category_count)


def _from_jpeg(jpeg: Material, recorded: Material, decoded: Material, decoder: Decoder, folder: Path) -> Iterator[Row]:
    source, files = jpeg.open(), jpeg.files()

    def decode(number: int) -> object:
        return decoder.decode(files[number % len(files)])

    from_jpeg, from_store = sampling(source), sampling(decoded.open())
    batch = allocate(CONFIG, source.category_count, BATCH)

    def dense(number: int) -> None:
        place = number % BATCH
        one = {name: array[place : place + 1] for name, array in batch.items()}
        unpack_batch([from_jpeg(number)], "compact", CONFIG, one, COMPILED)

    saccade, cornernet = in_runs(recorded.open(), CONFIG), in_runs(recorded.open(), preset("cornernet"))
    functions = [decode, saccade, cornernet, _recording(jpeg, folder), from_jpeg, dense, from_store]
    whole, part, larger, first, compactly, densely, stored = each_run(functions, COUNT, RUNS, time.process_time)
    yield paired("sampler from JPEG with entry points, compact", "ms", part, WHOLE, whole, 0.62)
    yield paired("sampler from JPEG with entry points, compact, cornernet", "ms", larger, WHOLE, whole, 0.95)
    yield paired("first decoding of an image, with recording", "ms", first, WHOLE, whole, 1.5)
    yield paired("sampler from JPEG without entry points, compact", "ms", compactly, WHOLE, whole, 1.35)
    yield paired("sampler from JPEG, dense arrays into a reused batch", "ms", densely, WHOLE, whole, 1.8)
    yield paired("sampler from the decoded store, compact", "ms", stored, "sampler from JPEG", compactly, 0.28)


def _recording(source: Material, folder: Path) -> Callable[[int], object]:
    """Return a function that reads an image whole and records its entry points."""
    dataset = source.open()
    dataset.decoder = EntryPointDecoder(_NeverRecorded.open(folder / "first.bin"), dataset.counts)
    return lambda number: dataset.read(number % len(dataset))


def sampling(dataset: Dataset, config: SamplerConfig = CONFIG) -> Callable[[int], Arrays]:
    """Return a function that makes the compact arrays of a sample; calls with 0, 1, … go through the images in turn."""
    make = making(dataset, config)
    return lambda number: make(SampleKey(1, number // len(dataset), number % len(dataset)))


def making(dataset: Dataset, config: SamplerConfig = CONFIG) -> Callable[[SampleKey], Arrays]:
    """Return a function that makes the compact arrays of a key."""
    return lambda key: compact(make_sample(dataset, config, key, kernels=COMPILED))


def in_runs(dataset: Dataset, config: SamplerConfig) -> Callable[[int], Arrays]:
    """Return a function like that of `sampling` that plans the samples of a run before it makes them, as workers do."""

    @lru_cache(maxsize=1)
    def plans(run: int) -> list[PlannedSample]:
        numbers = range(run * PLANNED, (run + 1) * PLANNED)
        keys = [SampleKey(1, number // len(dataset), number % len(dataset)) for number in numbers]
        return plan_samples(dataset, config, keys, kernels=COMPILED)

    def make(number: int) -> Arrays:
        planned = plans(number // PLANNED)[number % PLANNED]
        part = dataset.read(planned.image, planned.region)
        return compact(fill_sample(part, planned.plan, planned.recipe, config, COMPILED))

    return make


def _slowest(dataset: Dataset) -> Row:
    make = sampling(dataset)
    times = np.empty((REPEATS, SMALL_SAMPLES))
    for repeat in range(REPEATS):
        for index in range(SMALL_SAMPLES):
            began = time.perf_counter()
            make(index)
            times[repeat, index] = (time.perf_counter() - began) * 1000
    each = np.median(times, axis=0)
    slow = float(np.percentile(each, 99, method="higher"))
    return Row(
        "slowest 1 % of samples on boxes of 1–8 px, from the store", "ms", slow, "median of the same",
        statistics.median(each.tolist()), 3.0,
    )  # fmt: skip


def rendering(samples: list[Arrays], categories: int) -> Row:
    """Measure rendering a batch of compact arrays into a reused batch, and copying as many bytes."""
    out = allocate(CONFIG, categories, len(samples))
    size = sum(array.nbytes for array in out.values())
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    taken, copied = each_run(
        [lambda _: unpack_batch(samples, "compact", CONFIG, out, COMPILED), lambda _: np.copyto(target, source)],
        1,
        runs=9,
    )
    rates = [[size / 1e3 / milliseconds for milliseconds in run] for run in (taken, copied)]
    return paired(
        "rendering compact to dense arrays", "MB/s", rates[0], "memcpy of as many bytes", rates[1], 0.5, at_most=False
    )
