"""Everything a running server holds, made once at startup and handed to the routes."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from sampler.wire.spec import ServiceSpec
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.errors.problems import ServiceError
from service.metrics import Metrics
from service.shutdown import Shutdown
from service.workers.pool import WorkerPool


@dataclass(frozen=True, slots=True)
class ServedDataset:
    """One dataset with one config, and what makes its samples."""

    name: str  # for people; the annotation file's name without its suffix
    spec: ServiceSpec
    pool: WorkerPool
    cache: BatchCache


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server."""

    dataset: ServedDataset
    admission: Admission
    shutdown: Shutdown
    metrics: Metrics
    steps_ahead: int  # how many steps a stream prefetches
    stall_seconds: float  # time after which a client that reads nothing is disconnected


async def _current(request: Request) -> Serving:  # async: FastAPI would run it in a thread otherwise
    serving = getattr(request.app.state, "serving", None)
    if serving is None:
        raise ServiceError("not-ready", "the server has not started yet")
    return cast(Serving, serving)


CurrentServing = Annotated[Serving, Depends(_current)]
"""Parameter type of a route that needs the server. Requests before startup are refused with 503."""
