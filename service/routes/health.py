"""`/healthz`, `/readyz` and `/metrics`: the endpoints for monitoring."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client.exposition import choose_encoder

from service.contract.responses import document, problems
from service.errors.problems import ServiceError
from service.lifespan.state import CurrentServing

router = APIRouter(tags=["status"])


@router.get("/healthz", summary="Whether the process is alive")
async def health() -> dict[str, str]:
    """200 while the event loop runs."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    responses=problems("shutting-down", "not-ready"),
    summary="Whether the server accepts requests for batches",
)
async def ready(serving: CurrentServing) -> Response:
    """200 with the number of workers, or 503 while there is none, new requests are refused, or the server ends."""
    pool = serving.pool
    if not pool.alive:
        raise ServiceError("not-ready", f"none of {pool.size} workers is ready")
    serving.admission.refuse_unless_ready()
    return JSONResponse({"status": "ok", "workers": pool.alive})


@router.get(
    "/metrics",
    response_class=Response,
    responses=document("text/plain", {"type": "string"}, "the metrics", "application/openmetrics-text"),
    summary="Metrics in the Prometheus text format",
)
async def metrics(request: Request, serving: CurrentServing) -> Response:
    """Requests, samples, bytes, latency, queue, memory and workers; in OpenMetrics' format if `Accept` names it."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(serving.registry), media_type=media_type)
