"""Random compact batches, the input of rendering."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import allocate
from sampler.arrays import Arrays
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from tests.support.laws import random_numbers

CATEGORIES = 3
SACCADE = PRESETS["cornernet_saccade"]
LARGE: dict[str, Any] = {"input_size": (127, 127), "output_size": (32, 32)}
CONFIGS = {
    "saccade": SACCADE,
    "oblong, few objects": dataclasses.replace(SACCADE, output_size=(51, 64), max_objects=3),
    "wide bumps": dataclasses.replace(SACCADE, gaussian_radius=70),
    "single cells": dataclasses.replace(SACCADE, gaussian_bump=False),
    "cornernet": dataclasses.replace(PRESETS["cornernet"], **LARGE),
    "squeeze": dataclasses.replace(PRESETS["cornernet_squeeze"], input_size=(127, 127), output_size=(16, 16)),
}


@dataclass(frozen=True, slots=True)
class CompactBatch:
    """B stacked samples: the arguments of `sampler.layouts.render.render_batch`."""

    crops: NDArray[np.uint8]
    colours: NDArray[np.float32]
    boxes: NDArray[np.float32]
    objects: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def samples(self) -> list[Arrays]:
        """The compact arrays of each sample."""
        spans = [slice(*span) for span in zip(self.starts[:-1], self.starts[1:], strict=True)]
        return [
            {"crop": crop, "colour": colour, "boxes": self.boxes[span], "objects": self.objects[span]}
            for crop, colour, span in zip(self.crops, self.colours, spans, strict=True)
        ]


def random_batch(config: SamplerConfig, counts: list[int], seed: int) -> CompactBatch:
    """Return a batch with `counts` boxes in its samples. Some boxes of saccade are ignored ones."""
    numbers, side, total = random_numbers(seed), config.input_side, sum(counts)
    pairs = np.sort(numbers.uniform(0, side - 1, (total, 2, 2)), axis=1).reshape(total, 4)
    pairs[: total // 4] = np.floor(pairs[: total // 4])
    labels = numbers.integers(1, CATEGORIES + 1, (total, 1))
    objects = numbers.integers(0, 3, total) > 0 if config.kind == "saccade" else np.ones(total)
    return CompactBatch(
        numbers.integers(0, 256, (len(counts), side, side, 3), np.uint8),
        numbers.normal(0, 0.02, (len(counts), 3, 4)).astype(np.float32),
        np.hstack([pairs, labels]).astype(np.float32),
        objects.astype(np.uint8),
        np.cumsum([0, *counts]),
    )


def soiled(config: SamplerConfig, batch: int) -> Arrays:
    """Return batch arrays that still hold other values, as reused ones do."""
    arrays = allocate(config, CATEGORIES, batch)
    for array in arrays.values():
        array.view(np.uint8).fill(0x5A)
    return arrays
