"""Datasets of a thousand to ten million images: everything that a sample costs but its pixels."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.growth.study import Curve, Panel, Study
from benchmarks.measuring import each_run
from benchmarks.scale import BATCH, STEPS, drawing, synthetic_index
from sampler.dataset.index.dataset_index import DatasetIndex

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
OPENINGS = 10
RUNS = 7


def study(folder: Path) -> Study:
    """Measure opening an index, and keys, size, file name, boxes and recipe of samples."""
    indexes = [synthetic_index(folder, size) for size in SIZES]
    opening = each_run([_opening(index) for index in indexes], OPENINGS, RUNS, time.process_time)
    steps = each_run([drawing(index) for index in indexes], STEPS, RUNS, time.process_time)
    samples = [statistics.median(times) / BATCH.count for times in steps]
    return of_times(samples, [statistics.median(times) for times in opening])


def of_times(samples: Sequence[float], opening: Sequence[float]) -> Study:
    """Return the study of the ms that drawing a sample and opening the index take."""
    panels = (
        Panel("ms of CPU per sample, without pixels", (_constant("drawing", samples),)),
        Panel("ms of CPU to open the index", (_constant("opening", opening),)),
    )
    return Study(
        "growth-images", "Images in the dataset (synthetic index)", "images", SIZES, panels,
        "neither depends on the number of images",
    )  # fmt: skip


def _constant(name: str, values: Sequence[float]) -> Curve:
    return Curve(name, tuple(values), (values[0],) * len(values))


def _opening(index: Path) -> Callable[[int], object]:
    return lambda _: DatasetIndex(index)
