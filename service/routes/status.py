"""`/healthz`, `/readyz` and `/metrics`: what machines ask for."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.errors.problems import problem
from service.errors.responses import respond
from service.lifespan.state import Current

router = APIRouter(tags=["status"])


@router.get("/healthz", summary="Whether the process lives")
async def health() -> dict[str, str]:
    """Answered as long as the event loop runs."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether batches can be asked for")
async def ready(serving: Current) -> Response:
    """200 with the number of workers, or 503 when none is there or the server is to end."""
    if serving.shutdown.begun:
        return respond(problem("shutting-down", "the server is about to end"))
    if not serving.pool.alive:
        return respond(problem("not-ready", f"none of {serving.pool.size} workers is ready"))
    return JSONResponse({"status": "ok", "workers": serving.pool.alive})


@router.get("/metrics", response_class=Response, summary="Counters in the Prometheus text format")
async def metrics(serving: Current) -> Response:
    """Requests, samples, bytes, latency, queue depth, workers alive, worker restarts."""
    return Response(serving.metrics.text(), media_type=CONTENT_TYPE_LATEST)
