"""Startup and shutdown of a server: open the dataset, create the arena, start the workers; stop them at the end."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from sampler.arrays import LAYOUTS
from sampler.config.cornernet_lite import IgnoredKeysWarning, load_config
from sampler.config.digest import sample_digest
from sampler.config.schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import ImageError
from sampler.progress import spinner
from sampler.wire.spec import ServiceSpec
from service.arena import Arena, warm_bytes
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.batches.parameters import StreamParameters
from service.batches.plan import Planner
from service.batches.selection import select_stream
from service.demo.dataset import ensure_demo
from service.lifespan.decoded_images import find_decoded
from service.lifespan.state import ServedDataset, Serving
from service.metrics import Metrics, ServerState
from service.settings import MEGABYTE, Settings, SettingsError
from service.shutdown import Shutdown
from service.workers.pool import WorkerPool
from service.workers.protocol import WorkerSetup

log = logging.getLogger("saccade_sampler")

WARM_UP_BATCH = 64
"""Samples of a batch for warming up: enough images to show most of the numbers of boxes there are."""


@asynccontextmanager
async def run_server(settings: Settings, metrics: Metrics) -> AsyncIterator[Serving]:
    """Start a server, yield what it holds, stop its workers afterwards. Raises `SamplerError`, in one line."""
    shutdown = Shutdown(settings.grace_seconds)
    shutdown.install()
    try:
        async with _run(settings, metrics, shutdown) as serving:
            shutdown.startup_complete()
            yield serving
    finally:
        shutdown.uninstall()  # also if the start failed


@asynccontextmanager
async def _run(settings: Settings, metrics: Metrics, shutdown: Shutdown) -> AsyncIterator[Serving]:
    config = sampler_config(settings)
    annotations, images = await asyncio.to_thread(_dataset_files, settings)
    with spinner() as report:
        dataset = await asyncio.to_thread(open_dataset, annotations, images, settings.cache_dir, report)
    await asyncio.to_thread(_check_first_image, dataset)
    decoded = await asyncio.to_thread(find_decoded, settings, dataset)
    spec = _spec(settings, dataset, config)
    cached = min(settings.batch_cache_mb, settings.buffer_mb) * MEGABYTE
    planner = Planner(config, spec.categories, dataset.box_starts, settings.workers)
    with closing(_arena(settings, planner.largest_run)) as arena:
        # Only the shared part: each worker would populate memory of the reserve, which may never be used.
        warm = min(warm_bytes(cached), arena.shared)
        await asyncio.to_thread(arena.warm_up, warm)
        _warm_up(planner, spec)
        setup = WorkerSetup(
            index_dir=dataset.index_dir,
            images=images,
            config=config,
            max_image_pixels=settings.max_image_pixels,
            arena=arena.descriptor,
            warm_bytes=warm,
            kernel_cache=settings.cache_dir / "kernels",
            decoded_store=decoded.store,
            image_cache=None if decoded.cache is None else decoded.cache.descriptor,
        )
        pool = WorkerPool(setup, settings.workers, settings.job_seconds)
        cache = BatchCache(pool, arena, planner, cached)
        admission = Admission(settings.max_requests, settings.retry_after, shutdown)
        metrics.registry.register(ServerState(pool, admission, arena, cache, decoded))
        await pool.start()
        log.info(
            "serving %s: %d images, %d categories, config %s, digest %s, %d workers",
            annotations.name, spec.size, spec.categories, config.name, spec.digest, pool.size,
        )  # fmt: skip
        served = ServedDataset(annotations.stem, spec, pool, cache)
        try:
            yield Serving(served, admission, shutdown, metrics, settings.steps_ahead, settings.stall_seconds)
        finally:
            shutdown.uninstall()
            await pool.stop()


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


def sampler_config(settings: Settings) -> SamplerConfig:
    """Return the sampler config that the settings name. Raises `ConfigError`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IgnoredKeysWarning)
        config = load_config(settings.config, keep_crowd=settings.keep_crowd)
    for warning in caught:
        log.warning("%s: %s", settings.config, warning.message)
    return config


def _dataset_files(settings: Settings) -> tuple[Path, Path]:
    """Return the annotation file and the image folder to serve."""
    if settings.annotations and settings.images:
        return settings.annotations, settings.images
    log.info("SAMPLER_ANNOTATIONS and SAMPLER_IMAGES are not set: serving the demo dataset")
    demo = ensure_demo(settings.cache_dir)
    return demo.annotations, demo.images


def _check_first_image(dataset: Dataset) -> None:
    """Warn if the first image does not exist, most likely because SAMPLER_IMAGES is not the annotations' folder."""
    name = dataset.file_name(0)
    try:
        dataset.images.stat(name)
    except ImageError:
        path = dataset.images.describe(name)
        log.warning("%s: the first image does not exist; check that SAMPLER_IMAGES is its folder", path)


def _arena(settings: Settings, largest_run: int) -> Arena:
    """Create the arena, with a reserve for one run of each admitted request. Raises `SettingsError`."""
    try:
        return Arena(settings.buffer_mb * MEGABYTE, settings.max_requests, largest_run)
    except (OSError, MemoryError) as error:
        raise SettingsError(
            f"SAMPLER_BUFFER_MB = {settings.buffer_mb}, SAMPLER_MAX_REQUESTS = {settings.max_requests}: the system "
            f"does not provide the memory for samples ({error}); set a smaller buffer or fewer requests"
        ) from error


def _warm_up(planner: Planner, spec: ServiceSpec) -> None:
    """Select and plan a batch of each layout, so that the first request does not wait for caches to fill."""
    for layout in LAYOUTS:
        parameters = StreamParameters(batch_size=min(WARM_UP_BATCH, spec.max_batch), layout=layout)
        planner.plan(next(select_stream(parameters, spec)))
