"""Whether a sample costs more in a dataset of ten million images: everything but its pixels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.measuring import each_run
from benchmarks.row import Row, paired
from benchmarks.sampling import CONFIG
from benchmarks.synthetic_index import write_synthetic_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.sample.sample import recipe_of
from sampler.stream.shards import Shard, step_keys

SIZES = (1_000, 10_000_000)
BOXES = 2
"""Of each image, so that ten million images take two gigabytes."""
STEPS = 40
BATCH = Shard(48)


def rows(folder: Path) -> Iterator[Row]:
    """Measure keys, size, file name, boxes and recipe of a sample in a small and in a huge synthetic index."""
    small, large = (drawing(synthetic_index(folder, size)) for size in SIZES)
    few, many = each_run([small, large], STEPS, runs=7)
    unit = 1 / BATCH.count
    yield paired(
        "cost of a sample at 10,000,000 images, without pixels", "ms", [time * unit for time in many],
        "at 1,000 images", [time * unit for time in few], 1.2,
    )  # fmt: skip


def synthetic_index(folder: Path, size: int) -> Path:
    """Return the folder of an index of so many images, written if it is not there yet."""
    index = folder / f"synthetic-{size}"
    return index if index.exists() else write_synthetic_index(index, size, boxes=BOXES)


def drawing(index: Path) -> Callable[[int], None]:
    """Return a function that does everything for the samples of a step that needs no pixels."""
    dataset = DatasetIndex(index)
    # Every page of the index is in memory, as it is once a server has run for a while.
    np.add.reduce(dataset.all_boxes, axis=0)

    def draw(step: int) -> None:
        for key in step_keys(len(dataset), 1, step, BATCH):
            recipe_of(dataset, CONFIG, key)
            dataset.file_name(key.index)

    return draw
