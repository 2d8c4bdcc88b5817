"""Taking a snapshot of a running server."""

import time
from collections.abc import Sequence
from dataclasses import replace

from sampler.version import VERSION
from service.activity.activity import Activity
from service.activity.recent_errors import RecentError
from service.activity.snapshot import (
    Caches,
    DatasetState,
    Memory,
    Requests,
    Snapshot,
    State,
    StreamState,
    Views,
    Workers,
)
from service.activity.streams import StreamProgress
from service.activity.verdict import judge
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.lifespan.state import ServedDataset, Serving

MAX_STREAMS = 200
"""Responses that a snapshot lists."""


def observe(serving: Serving) -> Snapshot:
    """Return a snapshot, with the verdict."""
    pool, admission, activity = serving.pool, serving.admission, serving.activity
    open_streams = list(activity.streams)
    snapshot = Snapshot(
        time=time.time(),
        uptime=activity.clock() - activity.begun,
        version=VERSION,
        state=_state(serving),
        workers=Workers(
            pool.size,
            pool.alive,
            pool.queued,
            dict(pool.restarts.items()),
            activity.readings.restarts(),
        ),
        rates=activity.readings.rates(pool.size),
        history=activity.readings.history(),
        requests=_requests(admission),
        caches=_caches(serving),
        memory=_memory(serving.cache),
        views=_views(serving),
        datasets=[_dataset(served) for served in serving.datasets],
        streams=[_stream(progress, activity) for progress in open_streams[:MAX_STREAMS]],
        stream_count=len(open_streams),
        errors=[_shown(error, serving.datasets) for error in activity.errors.latest()],
    )
    return replace(snapshot, verdict=judge(snapshot))


def _state(serving: Serving) -> State:
    if serving.shutdown.begun:
        return "shutting-down"
    if serving.pool.alive:
        return "serving"
    return "no-worker" if any(serving.pool.restarts.values()) else "starting"


def _shown(error: RecentError, datasets: Sequence[ServedDataset]) -> RecentError:
    """Return an error without the locations of images, which visitors need not know."""
    text, file = error.text, error.file
    for served in datasets:
        text = served.folders.without_locations(text)
        file = file and served.folders.without_locations(file)
    return replace(error, text=text, file=file)


def _requests(admission: Admission) -> Requests:
    return Requests(
        admission.in_flight, admission.limit, admission.waiting, admission.paused, admission.pauses,
        admission.is_ready(),
    )  # fmt: skip


def _caches(serving: Serving) -> Caches:
    images, decoded = serving.image_cache, serving.pool.decoded
    return Caches(
        batches=dict(serving.cache.found.items()),
        batch_bytes=serving.cache.cached_bytes,
        image_hits=images.hits if images else 0,
        image_misses=images.misses if images else 0,
        image_bytes=images.nbytes if images else 0,
        decoded_whole=decoded.whole,
        decoded_parts=decoded.parts,
    )


def _views(serving: Serving) -> Views:
    views = serving.views
    return Views(views.waiting, views.cache.hits, views.cache.misses, views.cache.used, serving.rendering.waiting)


def _memory(cache: BatchCache) -> Memory:
    arena = cache.arena
    return Memory(arena.capacity, arena.bytes_in_use, cache.prefetched_bytes, cache.pinned_bytes)


def _dataset(served: ServedDataset) -> DatasetState:
    spec = served.spec
    return DatasetState(
        served.title, spec.dataset_name, spec.config.name, spec.digest, spec.size, served.decoded, served.remote
    )


def _stream(progress: StreamProgress, activity: Activity) -> StreamState:
    seconds, recent = activity.readings.of_stream(progress)
    span = seconds or 1.0
    return StreamState(
        facts=progress.facts,
        client=progress.client,
        request_id=progress.request_id,
        step=progress.step,
        samples=progress.samples,
        sent_bytes=progress.sent_bytes,
        seconds=progress.age,
        samples_per_second=recent.samples / span,
        bytes_per_second=recent.sent_bytes / span,
        waiting_for_workers=min(1.0, recent.workers / span),
        waiting_for_clients=min(1.0, recent.client / span),
        waiting_for=progress.waiting_for,
        idle=progress.idle,
        pauses=progress.pauses,
    )
