"""Surveying samples: their recipes and boxes, without reading images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampler.checks import require_integer
from sampler.config_schema import SamplerConfig
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.recipe import JITTER_STEPS, Recipe
from sampler.sample.recipes import ORDERS
from sampler.sample.sample import plan_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, stream_keys
from sampler.survey.marks import MarkedBoxSource, mark_boxes
from sampler.survey.survey import BOX_ARRAYS, SAMPLE_ARRAYS, Survey

KEYS_AT_ONCE = 250
"""Keys of one survey if something else waits meanwhile, such as training jobs of the same worker: some 25 ms."""


def survey_keys(size: int, seed: int, epoch: int, count: int) -> list[SampleKey]:
    """Return the first `count` keys of an epoch, and of the next epochs if it has fewer.

    An epoch has its images in random order, so these are a random choice of images. size: N ≥ 1, the number of images.
    Raises `InvalidRequestError` if a value is out of range.
    """
    epoch = require_integer("epoch", epoch, 0, (STEP_LIMIT - count) // size - 1)
    positions = range(epoch * size, epoch * size + count)
    return [key for step in stream_keys(size, seed, positions, Shard(1)) for key in step]


def survey_samples(
    dataset: MarkedBoxSource,
    config: SamplerConfig,
    keys: Sequence[SampleKey],
    augment: bool = True,
    kernels: Kernels = REFERENCE,
) -> Survey:
    """Return the survey of the samples of keys, at least one. Reads no pixels: about 0.1 ms for each sample.

    Raises:
        InvalidRequestError: The dataset has no such index.
    """
    plans = [plan_sample(dataset, config, key, augment, kernels) for key in keys]
    marks = mark_boxes(dataset, config, plans)
    recipes = [planned.recipe for planned in plans]
    columns = {
        "seeds": [key.seed for key in keys],
        "epochs": [key.epoch for key in keys],
        "indices": [key.index for key in keys],
        "images": [planned.image for planned in plans],
        "sizes": [dataset.size(planned.image) for planned in plans],
        "scales": [recipe.scale for recipe in recipes],
        "centers": [recipe.center for recipe in recipes],
        "flips": [recipe.flip for recipe in recipes],
        "orders": [_order(recipe) for recipe in recipes],
        "gains": [_gains(recipe) for recipe in recipes],
        "lighting": [recipe.lighting for recipe in recipes],
        "box_counts": [len(planned.boxes) for planned in plans],
    }
    arrays: dict[str, Any] = {name: np.array(columns[name], dtype) for name, (dtype, _) in SAMPLE_ARRAYS.items()}
    return Survey(
        **arrays,
        categories=marks.boxes[:, 4].astype(np.int32),
        originals=np.ascontiguousarray(marks.boxes[:, :4]),
        **{name: getattr(marks, name) for name in BOX_ARRAYS if name not in {"categories", "originals"}},
    )


def _order(recipe: Recipe) -> int:
    if not recipe.jitter:
        return -1
    return ORDERS.index(tuple(JITTER_STEPS.index(step) for step, _ in recipe.jitter))


def _gains(recipe: Recipe) -> list[float]:
    gains = dict(recipe.jitter)
    return [gains.get(step, np.nan) for step in JITTER_STEPS]
