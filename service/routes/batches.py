"""`/v1/spec`, `/v1/batches` and `/v1/stream`: what training nodes ask for."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from sampler.errors import InvalidRequestError
from sampler.wire.messages import MEDIA_TYPE
from service.batches.response import BatchResponse
from service.batches.selection import (
    Batch,
    BatchParameters,
    StreamParameters,
    refuse_repeated,
    select_batch,
    select_stream,
)
from service.errors.problems import ServiceError
from service.errors.responses import refuse_values
from service.lifespan.state import Current, Serving

router = APIRouter(prefix="/v1", tags=["batches"], dependencies=[Depends(refuse_repeated)])

IMMUTABLE = "public, max-age=31536000, immutable"
"""For a URL that names the digest: what it gives can never change."""

CHECK_FIRST = "no-cache"
"""For a URL that does not: another server may answer it tomorrow."""

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {}}, "description": "header, samples and trailer as msgpack objects"}
}


@router.get("/spec", summary="Dataset, config, digests, array tables, limits")
async def spec(serving: Current) -> dict[str, Any]:
    """What this server serves. `digest` is what clients pin."""
    return serving.spec.as_dict()


@router.get("/batches", response_class=Response, responses=STREAMED, summary="One batch, by index or by seed")
async def get_batch(request: Request, asked: Annotated[BatchParameters, Query()], serving: Current) -> Response:
    """By index: `indices`, `seed`, `epoch`. By seed: `seed`, `step`, `batch_size`, `rank`, `world_size`."""
    batch = select_batch(asked, serving.spec)
    etag = batch.etag
    cache = {"etag": etag, "cache-control": IMMUTABLE if asked.digest else CHECK_FIRST}
    if _holds(request, etag):
        return Response(status_code=304, headers=cache)
    return _respond(serving, batch, cache)


@router.post(
    "/batches",
    response_class=Response,
    responses=STREAMED,
    summary="The same as JSON, for long index lists",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": BatchParameters.model_json_schema()}}}},
)
async def post_batch(request: Request, serving: Current) -> Response:
    """The parameters of the GET form as one JSON object; `indices` is a list."""
    for name, value in request.query_params.items():
        raise InvalidRequestError(name, value, "nothing in the URL: the parameters of a POST are in its body")
    try:
        body = await _body(request, serving.spec.max_body_bytes)
        asked = BatchParameters.model_validate_json(body, strict=True)
    except ValidationError as error:
        return refuse_values(error)
    return _respond(serving, select_batch(asked, serving.spec), {"cache-control": "no-store"})


@router.get("/stream", response_class=Response, responses=STREAMED, summary="Batches of one seed, step after step")
async def stream(asked: Annotated[StreamParameters, Query()], serving: Current) -> Response:
    """Batches from step `start` until `stop`, or without end; each has its own header and trailer."""
    batches = select_stream(asked, serving.spec)
    return BatchResponse(
        lambda: serving.maker.open(batches),
        serving.admission,
        serving.delivery,
        {"cache-control": "no-store"},
        endless=True,
    )


def _respond(serving: Serving, batch: Batch, headers: dict[str, str]) -> Response:
    return BatchResponse(lambda: serving.maker.open([batch]), serving.admission, serving.delivery, headers)


def _holds(request: Request, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or "*" in tags


async def _body(request: Request, most: int) -> bytes:
    """Return the body, or raise `ServiceError` (413) as soon as it is known to be too large."""
    error = ServiceError("body-too-large", f"the body is over the limit of {most} bytes", {"limit": most})
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise error
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise error
    return bytes(body)
