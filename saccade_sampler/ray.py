"""Batches from Ray Data: samples are made by tasks of a Ray cluster, without a server.

    from saccade_sampler.ray import dataset, render

    rows = dataset("/data/train.json", "/data/train", seed=7, batch_size=48, stop=500_000)
    for row in rows.iter_rows():
        batch = render(row)
        train_step(batch.xs, batch.ys)

A row is one step with its compact samples, as a server sends them. They are rendered where they are used: the dense
arrays, thirty times as large, never pass through Ray's object store.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import ray.data
from ray.data import TaskPoolStrategy

from client.batches import Batch, PackedBatch
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError, ProtocolError
from sampler.memory.buffer_pool import BufferPool
from sampler.stream.keys import SEED_LIMIT
from sampler.stream.shards import Shard, last_step
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec

LEAST_SAMPLES, MOST_SAMPLES = 192, 1536
"""Samples of a task: enough to make Ray's own work small; few enough to begin soon, and for one block of at most
100 MB."""

MANY_TASKS = 4000
"""Tasks from which they have more samples. Ray prepares all tasks before the first one, in about a millisecond each."""

MOST_TASKS = 1 << 16

Place = str | os.PathLike[str]


def dataset(
    annotations: Place | Sequence[Place],
    images: Place | Sequence[Place],
    config: str = "cornernet_saccade",
    *,
    seed: int,
    batch_size: int,
    start: int = 0,
    stop: int,
    rank: int = 0,
    world_size: int = 1,
    augment: bool = True,
    subset: Place | None = None,
    substitute: Place | None = None,
    keep_crowd: bool = True,
    cache_dir: Place | None = None,
    digest: str | None = None,
    tasks: int | None = None,
) -> ray.data.Dataset:
    """Return the steps start … stop−1 as a `ray.data.Dataset`, in order, one row for each.

    A row has the columns `step`, `batch` and `spec`; `render` and `packed_batch` take it. To resume, make the dataset
    again with the next step as `start`. If a node is lost, Ray makes its rows again on another, with the same bytes.

    Args:
        annotations: the annotation file, or several that are combined. The paths are those of the nodes.
        images: the image folder, or that of each annotation file.
        config: a preset, or the path of a CornerNet-Lite JSON file.
        seed: 0 … 2⁶⁴−1.
        batch_size: B, of all ranks together.
        start: the first step, 0 … 2⁶².
        stop: the step to stop before.
        rank: 0 … world_size−1. A rank takes its part of every step, as with `loader`.
        world_size: 1 … B.
        augment: False for the fixed recipe, without random decisions.
        subset: file of image ids; only these images are used.
        substitute: file with the ids of unusable images; others are used instead.
        keep_crowd: whether boxes marked `iscrowd` are used.
        cache_dir: the cache folder of each node (default: the user's). A decoded store that it has is used.
        digest: that of the samples, to be checked on each node; see `ServiceSpec.digest`.
        tasks: how many make samples at the same time at most, each on one CPU (default: as many as there are CPUs).

    Raises:
        InvalidRequestError: a value is out of range.
    """
    from service.ray_steps import RowsRequest, make_rows  # nodes that only render do not need the server's packages
    from service.settings.server import Settings  # nor pydantic

    shard = Shard(batch_size, rank, world_size)
    if tasks is not None:
        tasks = require_integer("tasks", tasks, 1, MOST_TASKS)
    seed = require_integer("seed", seed, 0, SEED_LIMIT - 1)
    start = require_integer("start", start, 0, last_step(shard))
    stop = require_integer("stop", stop, start + 1, last_step(shard) + 1)
    files = {"subset": subset, "substitute": substitute, "cache_dir": cache_dir}
    settings = Settings.model_validate(
        {"annotations": _some("annotations", annotations), "images": _some("images", images)}
        | {name: os.fspath(file) for name, file in files.items() if file is not None}
        | {"config": config, "keep_crowd": keep_crowd}
    )
    request = RowsRequest(settings.model_dump_json(exclude_unset=True), digest, seed, shard, start, augment)
    tasks_in_all = number_of_tasks(stop - start, shard.count)
    at_once = None if tasks is None else min(tasks, tasks_in_all)
    # The same limit for both, so that Ray makes one task of them.
    steps = ray.data.range(stop - start, override_num_blocks=tasks_in_all, concurrency=at_once)
    rows = steps.map_batches(
        make_rows, fn_args=(request,), batch_size=None, batch_format="pyarrow", num_cpus=1,
        compute=TaskPoolStrategy(at_once),
    )  # fmt: skip
    rows.context.execution_options.preserve_order = True
    rows.context.raise_original_map_exception = True  # it says what is wrong; Ray's says that something is
    return rows


def number_of_tasks(steps: int, samples: int) -> int:
    """Return the number of tasks for some steps with so many samples each."""
    of_task = min(max(LEAST_SAMPLES, steps * samples // MANY_TASKS), MOST_SAMPLES)
    return min(steps, -(-steps * samples // of_task))


def packed_batch(row: Mapping[str, Any], memory: BufferPool | None = None) -> PackedBatch:
    """Return the batch of a row, checked but not rendered, for example to render it on a GPU.

    memory: for its arrays; give all rows of a loop the same pool, so that they reuse its buffers. Raises ProtocolError
    if the row is not one of `dataset`.
    """
    try:
        document, data = bytes(row["spec"]), bytes(row["batch"])
    except (KeyError, TypeError) as error:
        raise ProtocolError(f"no row of a step: {error!r}; pass a row of `iter_rows()`") from error
    spec, pool = _spec(document), memory or BufferPool()
    reader = BatchReader(spec.config, spec.categories, "compact", pool)
    batches = list(reader.feed(data))
    if len(batches) != 1 or reader.incomplete:
        raise ProtocolError(f"a row with {len(batches)} complete batches: expected one")
    return PackedBatch(batches[0], spec, len(data), pool)


def render(row: Mapping[str, Any], memory: BufferPool | None = None) -> Batch:
    """Return the batch of a row as arrays, the same as from `SamplerClient.batch`. Arguments as for `packed_batch`."""
    return packed_batch(row, memory).render()


def _some(name: str, given: Place | Sequence[Place]) -> tuple[str, ...]:
    """Return one or more paths as text."""
    paths = (given,) if isinstance(given, str | os.PathLike) else tuple(given)
    if not paths or "" in paths:
        raise InvalidRequestError(name, given, "a path, or several")
    return tuple(os.fspath(path) for path in paths)


@lru_cache(maxsize=8)
def _spec(document: bytes) -> ServiceSpec:
    return ServiceSpec.parse(json.loads(document))
