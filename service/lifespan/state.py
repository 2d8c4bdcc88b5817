"""Everything a running server holds, made once at startup and handed to the routes."""

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from sampler.dataset.images.image_cache import ImageCache
from sampler.errors import InvalidRequestError
from sampler.wire.spec import ServiceSpec
from service.activity.activity import Activity
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.bodies import Bodies
from service.errors.problems import ServiceError
from service.image_folders import NO_FOLDERS, ImageFolders
from service.metrics import Metrics
from service.reading import ReadLimits
from service.shutdown import Shutdown
from service.views.rendering import PageRendering
from service.views.statistics import RecentStatistics
from service.views.views import Views
from service.workers.notices import ImageNotices
from service.workers.pool import WorkerPool


@dataclass(frozen=True, slots=True)
class ServedDataset:
    """One dataset with one config."""

    number: int  # by which jobs and batches refer to it
    title: str  # for people; its name, or that of the annotation file without its suffix
    spec: ServiceSpec
    hashed: bool = False  # whether hashes of the image files are recorded, so that a changed file is noticed
    decoded: bool = False  # whether its images come from a decoded store
    remote: bool = False  # whether its images are in object storage
    folders: ImageFolders = NO_FOLDERS  # of its images, as pages show them


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server."""

    datasets: tuple[ServedDataset, ...]  # the default first
    pool: WorkerPool
    cache: BatchCache
    admission: Admission
    shutdown: Shutdown
    metrics: Metrics
    steps_ahead: int  # how many steps a stream prefetches
    reading: ReadLimits  # how slowly clients may read
    bodies: Bodies
    views: Views
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)  # of the metrics, for Prometheus
    activity: Activity = field(default_factory=Activity)
    image_cache: ImageCache | None = None
    notices: ImageNotices = field(default_factory=ImageNotices)  # what workers found unusual about images
    rendering: PageRendering = field(default_factory=PageRendering)
    statistics: RecentStatistics = field(default_factory=RecentStatistics)
    run: str = field(default_factory=partial(secrets.token_hex, 8))  # differs between starts of a server

    def dataset(self, name: str | None) -> ServedDataset:
        """Return a dataset by name, or the default. Raises `InvalidRequestError`."""
        if name is None:
            return self.datasets[0]
        for served in self.datasets:
            if served.spec.dataset_name == name:
                return served
        names = ", ".join(self.datasets[0].spec.datasets)
        unnamed = "no name, because the server's only dataset has none; leave dataset out"
        raise InvalidRequestError("dataset", name, f"one of {names}" if names else unnamed)


async def _current(request: Request) -> Serving:  # async: FastAPI would run it in a thread otherwise
    serving = getattr(request.app.state, "serving", None)
    if serving is None:
        raise ServiceError("not-ready", "the server has not started yet")
    return cast(Serving, serving)


CurrentServing = Annotated[Serving, Depends(_current)]
"""Parameter type of a route that needs the server. Requests before startup are refused with 503."""
