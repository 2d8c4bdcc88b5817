"""All that a running server holds, made once at start-up and handed to the routes."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from fastapi import Depends, Request

from sampler.arrays import LAYOUTS, Layout
from sampler.config.cornernet_lite import IgnoredKeysWarning, load_config
from sampler.config.digest import sample_digest
from sampler.config.schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.reader import NO_FILE, file_state
from sampler.wire.sample_writer import largest_message
from sampler.wire.spec import ServiceSpec
from service.arena import Arena, warm_bytes
from service.batches.admission import Budget, Gate
from service.batches.body import BatchMaker
from service.batches.cache import BatchCache
from service.batches.plan import RUN_BYTES, BatchPlanner
from service.batches.response import Admission, Delivery
from service.batches.run_source import RunSource
from service.batches.selection import StreamParameters, select_stream
from service.demo.dataset import ensure_demo
from service.errors.problems import ServiceError
from service.lifespan.decoded_images import find_decoded
from service.metrics import Metrics
from service.settings import MEGABYTE, Settings, SettingsError
from service.shutdown import Shutdown
from service.workers.pool import WorkerPool
from service.workers.process import WorkerSetup

log = logging.getLogger("saccade_sampler")

EXACT_LAYOUTS: tuple[Layout, ...] = ("compact", "dense")
"""Layouts whose messages are not much smaller than `largest_message`; sparse ones are nearly always."""

PRACTICE_BATCH = 64
"""Samples of a batch for practice: as many images show most numbers of boxes that there are."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts of a running server."""

    settings: Settings
    dataset: Dataset
    dataset_name: str
    spec: ServiceSpec
    pool: WorkerPool
    maker: BatchMaker
    admission: Admission
    delivery: Delivery
    shutdown: Shutdown
    metrics: Metrics


@asynccontextmanager
async def serving(settings: Settings, metrics: Metrics) -> AsyncIterator[Serving]:
    """Open the dataset, start the workers, give the parts; end the workers afterwards.

    Raises a `SamplerError`, one line, when the dataset or the config is not usable or no worker starts.
    """
    shutdown = Shutdown(settings.grace_seconds)
    shutdown.listen()
    try:
        async with _started(settings, metrics, shutdown) as parts:
            shutdown.serving()
            yield parts
    finally:
        shutdown.forget()  # also where the start failed


@asynccontextmanager
async def _started(settings: Settings, metrics: Metrics, shutdown: Shutdown) -> AsyncIterator[Serving]:
    config = sampler_config(settings)
    annotations, images = await asyncio.to_thread(_source, settings)
    dataset = await asyncio.to_thread(open_dataset, annotations, images, settings.cache_dir, progress=True)
    await asyncio.to_thread(_look_for_an_image, dataset)
    spec = _spec(settings, dataset, config)
    decoded = await asyncio.to_thread(find_decoded, settings, dataset)
    with closing(_arena(settings, config, spec)) as arena:
        # Not the reserve behind a small buffer: each worker would take of it what may never be used.
        warm = min(warm_bytes(_kept_bytes(settings)), arena.shared)
        await asyncio.to_thread(arena.warm, warm)
        setup = WorkerSetup(
            dataset.index_dir, images, config, settings.max_image_pixels, settings.cache_dir / "kernels",
            decoded.store, decoded.address, warm,
        )  # fmt: skip
        pool = WorkerPool(setup, settings.workers, settings.job_seconds, arena)
        decoded.watch(metrics)
        parts = _parts(settings, dataset, annotations.stem, spec, pool, arena, metrics, shutdown)
        await pool.start()
        log.info(
            "serving %s: %d images, %d categories, config %s, digest %s, %d workers",
            annotations.name, spec.size, spec.categories, config.name, spec.digest, pool.size,
        )  # fmt: skip
        try:
            yield parts
        finally:
            shutdown.forget()
            await pool.stop()


def _parts(
    settings: Settings,
    dataset: Dataset,
    dataset_name: str,
    spec: ServiceSpec,
    pool: WorkerPool,
    arena: Arena,
    metrics: Metrics,
    shutdown: Shutdown,
) -> Serving:
    """Put together what routes need, watched by the metrics; nothing runs yet."""
    source = _source_of_runs(settings, dataset, spec.config, pool, arena)
    _practise(source.planner, spec)
    gate = Gate(settings.max_requests)
    _watch(metrics, pool, gate, source.budget)
    _watch_memory(metrics, arena, source.cache)
    return Serving(
        settings=settings,
        dataset=dataset,
        dataset_name=dataset_name,
        spec=spec,
        pool=pool,
        maker=BatchMaker(source, metrics, shutdown, settings.steps_ahead, settings.stall_seconds),
        admission=Admission(gate, shutdown, settings.retry_after),
        delivery=Delivery(shutdown, metrics, settings.stall_seconds),
        shutdown=shutdown,
        metrics=metrics,
    )


def _arena(settings: Settings, config: SamplerConfig, spec: ServiceSpec) -> Arena:
    """Return the memory for samples: what all requests share, and behind it room for a run of each of them.

    Raises `SettingsError` where the system has not as much.
    """
    largest = max(largest_message(layout, config, spec.categories, config.max_objects) for layout in EXACT_LAYOUTS)
    try:
        arena = Arena(settings.buffer_mb * MEGABYTE, settings.max_requests, max(largest, RUN_BYTES))
    except (OSError, MemoryError) as error:
        raise SettingsError(
            f"SAMPLER_BUFFER_MB = {settings.buffer_mb}, SAMPLER_MAX_REQUESTS = {settings.max_requests}: the system "
            f"does not give the memory for samples ({error}); expected a smaller buffer or fewer requests"
        ) from error
    return arena


def _source_of_runs(
    settings: Settings, dataset: Dataset, config: SamplerConfig, pool: WorkerPool, arena: Arena
) -> RunSource:
    starts = dataset.box_starts
    planner = BatchPlanner(
        config, dataset.category_count, lambda index: int(starts[index + 1] - starts[index]), settings.workers
    )
    return RunSource(pool, arena, Budget(arena.shared), BatchCache(_kept_bytes(settings)), planner)


def _kept_bytes(settings: Settings) -> int:
    """Return how many bytes of batches are kept for whoever asks for them again."""
    return min(settings.batch_cache_mb, settings.buffer_mb) * MEGABYTE


def _practise(planner: BatchPlanner, spec: ServiceSpec) -> None:
    """Choose and plan a batch of each layout, so that the first one asked for finds everything loaded."""
    for layout in LAYOUTS:
        asked = StreamParameters(batch_size=min(PRACTICE_BATCH, spec.max_batch), layout=layout)
        planner.plan(next(select_stream(asked, spec)))


def sampler_config(settings: Settings) -> SamplerConfig:
    """Return the sampler config that the settings name. Raises `ConfigError`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IgnoredKeysWarning)
        config = load_config(settings.config, keep_crowd=settings.keep_crowd)
    for warning in caught:
        log.warning("%s: %s", settings.config, warning.message)
    return config


def _source(settings: Settings) -> tuple[Path, Path]:
    if settings.annotations and settings.images:
        return settings.annotations, settings.images
    log.info("no dataset is set: serving the demo dataset")
    demo = ensure_demo(settings.cache_dir)
    return demo.annotations, demo.images


def _look_for_an_image(dataset: Dataset) -> None:
    """Say so when the first image is not there, which is most often another folder than the annotations mean."""
    if file_state(dataset.path(0)) == NO_FILE:
        log.warning("%s: the first image of the dataset does not exist; is SAMPLER_IMAGES its folder?", dataset.path(0))


def _spec(settings: Settings, dataset: Dataset, config: SamplerConfig) -> ServiceSpec:
    return ServiceSpec(
        digest=sample_digest(dataset.digest, config),
        dataset_digest=dataset.digest,
        size=len(dataset),
        category_names=dataset.category_names,
        config=config,
        max_batch=settings.max_batch,
        max_body_bytes=settings.max_body_kb * 1024,
    )


def _watch(metrics: Metrics, pool: WorkerPool, gate: Gate, budget: Budget) -> None:
    metrics.watch("sampler_workers_alive", "Workers ready for jobs", lambda: pool.alive)
    metrics.watch("sampler_workers", "Workers there should be", lambda: pool.size)
    metrics.watch_count("sampler_worker_restarts", "Workers that died and were replaced", lambda: pool.restarts)
    metrics.watch("sampler_queue_depth", "Samples that wait for a worker", lambda: pool.queued)
    metrics.watch("sampler_requests_in_flight", "Batch responses being sent", lambda: gate.taken)
    metrics.watch("sampler_ahead_bytes", "Memory lent to samples made ahead", lambda: budget.total - budget.free)


def _watch_memory(metrics: Metrics, arena: Arena, cache: BatchCache) -> None:
    metrics.watch("sampler_slabs", "Pieces of the samples' memory that are in use", lambda: arena.slabs_in_use)
    metrics.watch("sampler_slab_bytes", "Bytes of the samples' memory that are in use", lambda: arena.bytes_in_use)
    metrics.watch("sampler_slab_capacity_bytes", "Bytes of the samples' memory", lambda: arena.capacity)
    metrics.watch("sampler_batch_cache_bytes", "Memory held by batches that are kept", lambda: cache.held)
    metrics.watch_counts(
        "sampler_batch_cache",
        "Batches asked for by how they were found: made already (hit), being made (join), neither (miss)",
        "found",
        lambda: {name: float(count) for name, count in cache.found.items()},
    )


async def current(request: Request) -> Serving:  # async: FastAPI would have a thread run it otherwise
    """Return the parts of the server that a request came to. Raises `ServiceError` (503) before it has started."""
    found = getattr(request.app.state, "serving", None)
    if found is None:
        raise ServiceError("not-ready", "the server has not started yet")
    return cast(Serving, found)


Current = Annotated[Serving, Depends(current)]
