"""Startup and shutdown of a server: open the datasets, create the arena, start the workers; stop them at the end."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from sampler.arrays import LAYOUTS
from sampler.dataset.images.image_cache import ImageCache
from sampler.errors import ImageError
from sampler.system_errors import explain
from sampler.wire.spec import ServiceSpec
from service.activity.activity import Activity
from service.activity.recent_errors import RecentErrors
from service.arena import Arena, warm_bytes
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.batches.parameters import StreamParameters
from service.batches.plan import Planner
from service.batches.selection import select_stream
from service.bodies import Bodies, BodyLimits
from service.descriptors import DescriptorReserve, raise_limit, reserve_for_workers
from service.image_folders import ImageFolders
from service.lifespan.datasets import OpenedDataset, open_datasets
from service.lifespan.decoded_images import create_cache
from service.lifespan.state import ServedDataset, Serving
from service.metrics import Metrics, Sources, registry_of
from service.reading import ReadLimits
from service.settings.limits import MEGABYTE
from service.settings.load import SettingsError
from service.settings.server import Settings
from service.shutdown import Shutdown
from service.views.rendering import PageRendering
from service.views.views import Views
from service.workers.failures import WorkerFailure
from service.workers.notices import ImageNotices, Notice
from service.workers.pool import WorkerPool
from service.workers.protocol import WorkerSetup

log = logging.getLogger("saccade_sampler")

WARM_UP_BATCH = 64
"""Samples of a batch for warming up: enough images to show most of the numbers of boxes there are."""


@asynccontextmanager
async def run_server(settings: Settings, metrics: Metrics) -> AsyncIterator[Serving]:
    """Start a server, yield what it holds, stop its workers afterwards. Raises `SamplerError`, in one line.

    Args:
        settings: The settings.
        metrics: Counts what the server does.
    """
    shutdown = Shutdown(settings.grace_seconds)
    shutdown.install()
    raise_limit()
    try:
        async with (
            reserve_for_workers(settings.workers) as reserve,
            _run(settings, metrics, shutdown, reserve) as serving,
        ):
            shutdown.startup_complete()
            yield serving
    finally:
        shutdown.uninstall()  # also if the start failed


@asynccontextmanager
async def _run(
    settings: Settings, metrics: Metrics, shutdown: Shutdown, reserve: DescriptorReserve
) -> AsyncIterator[Serving]:
    with closing(await _prepare(settings, reserve)) as prepared:
        serving = _assemble(settings, metrics, shutdown, prepared)
        await _start(serving.pool, prepared)
        for one in prepared.opened:
            _log_start(one, serving.pool.size)
        try:
            yield serving
        finally:
            shutdown.uninstall()
            serving.rendering.close()
            await serving.pool.stop()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a server is assembled from. Close it.

    Attributes:
        opened: The datasets, the default first.
        planners: Of the datasets.
        arena: Memory for samples.
        cached: Bytes of the arena for cached batches.
        image_cache: None without one.
        reserve: Descriptors for workers that are started later.
    """

    opened: tuple[OpenedDataset, ...]
    planners: tuple[Planner, ...]
    arena: Arena
    cached: int
    image_cache: ImageCache | None
    reserve: DescriptorReserve

    @property
    def warm_bytes(self) -> int:
        """Bytes of the arena that are populated at the start."""
        # Only the shared part: each worker would populate memory of the reserve, which may never be used.
        return min(warm_bytes(self.cached), self.arena.shared)

    def close(self) -> None:
        """Release the arena."""
        self.arena.close()


async def _prepare(settings: Settings, reserve: DescriptorReserve) -> _Prepared:
    """Open the datasets and create the memory that all processes share. Raises `SamplerError`."""
    opened = await open_datasets(settings)
    decoded = all(one.store for one in opened)
    image_cache = None if decoded else create_cache(settings, sum(len(one.dataset) for one in opened))
    planners = tuple(one.planner(settings.workers) for one in opened)
    arena = _arena(settings, max(planner.largest_run for planner in planners))
    cached = min(settings.batch_cache_mb, settings.buffer_mb) * MEGABYTE
    return _Prepared(opened, planners, arena, cached, image_cache, reserve)


def _assemble(settings: Settings, metrics: Metrics, shutdown: Shutdown, prepared: _Prepared) -> Serving:
    """Return the server, whose workers are not started yet."""
    opened, image_cache = prepared.opened, prepared.image_cache
    notices = ImageNotices(tuple((one.title, len(one.dataset)) for one in opened))
    activity = Activity()
    pool = _pool(settings, prepared, notices, activity.errors)
    cache = BatchCache(pool, prepared.arena, prepared.planners, prepared.cached)
    admission = Admission(settings.max_requests, settings.retry_after, shutdown, settings.queue_seconds)
    views = Views(pool, shutdown)
    named = tuple((one.title, one.spec) for one in opened)
    rendering = PageRendering(lambda: len(activity.streams) > 0)
    registry = registry_of(
        Sources(metrics, named, pool, admission, cache, image_cache, notices, views, rendering, activity)
    )
    for one in opened:
        metrics.show_zeros(one.title)
    return Serving(
        tuple(_served(number, one) for number, one in enumerate(opened)),
        pool, cache, admission, shutdown, metrics, settings.steps_ahead,
        ReadLimits(settings.pause_seconds, settings.min_rate), Bodies(_body_limits(settings), admission),
        views, registry, activity, image_cache, notices, rendering,
    )  # fmt: skip


def _pool(settings: Settings, prepared: _Prepared, notices: ImageNotices, errors: RecentErrors) -> WorkerPool:
    slowest = max(one.dataset.images.read_seconds for one in prepared.opened)
    restore = partial(_restore_indexes, prepared.opened, prepared.reserve)
    return WorkerPool(
        _worker_setup(settings, prepared), settings.workers, settings.job_seconds, restore,
        partial(_note_image, notices, errors), prepared.reserve.lent, slowest,
        partial(_note_failure, prepared.opened, errors),
    )  # fmt: skip


def _worker_setup(settings: Settings, prepared: _Prepared) -> WorkerSetup:
    first_images = accumulate((len(one.dataset) for one in prepared.opened), initial=0)
    return WorkerSetup(
        datasets=tuple(one.setup(first) for one, first in zip(prepared.opened, first_images, strict=False)),
        arena=prepared.arena.descriptor,
        warm_bytes=prepared.warm_bytes,
        memory=settings.worker_memory,
        kernel_cache=settings.cache_dir / "kernels",
        image_cache=None if prepared.image_cache is None else prepared.image_cache.descriptor,
    )


def _served(number: int, opened: OpenedDataset) -> ServedDataset:
    hashed, decoded = opened.hashes is not None, opened.store is not None
    remote, folders = opened.dataset.images.is_remote, ImageFolders.of(opened.images)
    return ServedDataset(number, opened.title, opened.spec, hashed, decoded, remote, folders)


async def _start(pool: WorkerPool, prepared: _Prepared) -> None:
    """Start the workers, and warm up this process while they import their libraries. Raises `ServiceError`."""
    starting = asyncio.create_task(pool.start())
    try:
        await asyncio.to_thread(prepared.arena.warm_up, prepared.warm_bytes)
        for planner, one in zip(prepared.planners, prepared.opened, strict=True):
            _warm_up(planner, one.spec)
    finally:
        await starting


def _note_image(notices: ImageNotices, errors: RecentErrors, notice: Notice) -> None:
    """Log and count what a worker found about an image, and list it if it is an error."""
    notices.add(notice)
    if notice.kind in ("damaged", "store-damaged"):
        errors.add(notice.kind, notice.text, notice.file)
    if notice.kind == "unreadable":
        errors.add_seen(ImageError(notice.file, "unreadable", notice.text, notice.index))


def _note_failure(opened: tuple[OpenedDataset, ...], errors: RecentErrors, failure: WorkerFailure) -> None:
    """List that a worker ended or cannot start, with the image of the view for which it was ended."""
    if failure.view is None:
        errors.add("worker", failure.text)
        return
    images = {key.index for key in failure.view.keys}
    one = opened[failure.view.dataset]
    file = ImageFolders.of(one.images).path(one.dataset.file_name(images.pop())) if len(images) == 1 else None
    errors.add("view", failure.text, file)


def _restore_indexes(opened: tuple[OpenedDataset, ...], reserve: DescriptorReserve) -> None:
    with reserve.lent():
        for one in opened:
            one.restore_index()


def _log_start(opened: OpenedDataset, workers: int) -> None:
    spec = opened.spec
    log.info(
        "serving %s: %d images (%d without boxes), %d boxes (%d dropped), %d categories, config %s, digest %s, "
        "pixels %s, %d workers",
        opened.title, spec.size, spec.images_without_boxes, spec.boxes, spec.dropped_boxes, len(spec.category_names),
        opened.config.name, spec.digest, spec.pixels or "not hashed", workers,
    )  # fmt: skip


def _arena(settings: Settings, largest_run: int) -> Arena:
    """Create the arena, with a reserve for one run of each admitted request. Raises `SettingsError`."""
    try:
        return Arena(settings.buffer_mb * MEGABYTE, settings.max_requests, largest_run)
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise SettingsError(f"no shared memory for samples: {explain(error, '')}") from error
        raise SettingsError(
            f"SAMPLER_BUFFER_MB = {settings.buffer_mb}, SAMPLER_MAX_REQUESTS = {settings.max_requests}: the system "
            f"does not provide the memory for samples ({error}); set a smaller buffer or fewer requests"
        ) from error


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(
        settings.max_body_kb * 1024, settings.body_seconds, settings.min_rate, settings.queue_seconds,
        settings.retry_after,
    )  # fmt: skip


def _warm_up(planner: Planner, spec: ServiceSpec) -> None:
    """Select and plan a batch of each layout, so that the first request does not wait for caches to fill."""
    for layout in LAYOUTS:
        parameters = StreamParameters(batch_size=min(WARM_UP_BATCH, spec.max_batch), layout=layout)
        planner.plan(next(select_stream(parameters, spec)))
