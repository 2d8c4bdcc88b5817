"""Datasets of a thousand to ten million images: everything that a sample costs but its pixels."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth.study import Curve, Panel, Study
from benchmarks.measuring import each_run
from benchmarks.scale import BATCH, STEPS, drawing, synthetic_index
from sampler.dataset.index.dataset_index import DatasetIndex

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
OPENINGS = 9


def study(folder: Path) -> Study:
    """Measure opening an index, and keys, size, file name, boxes and recipe of samples."""
    indexes = [synthetic_index(folder, size) for size in SIZES]
    opening = [statistics.median(_opening(index) for _ in range(OPENINGS)) for index in indexes]
    steps = each_run([drawing(index) for index in indexes], STEPS, 7, time.process_time)
    return of_times([statistics.median(times) / BATCH.count for times in steps], opening)


def of_times(samples: Sequence[float], opening: Sequence[float]) -> Study:
    """Return the study of the ms that drawing a sample and opening the index take."""
    panels = (
        Panel("ms of CPU per sample, without pixels", (_constant("drawing", samples),)),
        Panel("ms to open the index", (_constant("opening", opening),)),
    )
    return Study(
        "growth-images", "Images in the dataset (synthetic index)", "images", SIZES, panels,
        "neither depends on the number of images",
    )  # fmt: skip


def _constant(name: str, values: Sequence[float]) -> Curve:
    return Curve(name, tuple(values), (values[0],) * len(values))


def _opening(index: Path) -> float:
    began = time.perf_counter()
    DatasetIndex(index)
    return (time.perf_counter() - began) * 1000
