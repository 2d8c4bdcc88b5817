"""`/v1/spec`, `/v1/batches` and `/v1/stream`: the endpoints for training nodes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from sampler.errors import InvalidRequestError
from sampler.wire.content_digest import content_digest
from sampler.wire.messages import MEDIA_TYPE
from service.access.media_types import require_json
from service.activity.streams import StreamFacts
from service.batches.body import parse_body
from service.batches.parameters import BatchParameters, SpecParameters, StreamParameters, refuse_repeated
from service.batches.selection import Batch, select_batch, select_stream
from service.conditional import is_known
from service.contract.document import body_schema
from service.contract.methods import HeadResponse, is_head
from service.contract.responses import BODY, NOT_MODIFIED, PARAMETERS, SAMPLES, binary, problems
from service.lifespan.state import CurrentServing, ServedDataset
from service.routes.batch_response import BatchResponse
from service.routes.caching import cache_control, not_modified

router = APIRouter(prefix="/v1", tags=["batches"], dependencies=[Depends(refuse_repeated), Depends(require_json)])

STREAMED = binary(MEDIA_TYPE, "header, samples and trailer as msgpack objects")
REQUEST_BODY = {
    "required": True,
    "content": {"application/json": {"schema": body_schema(BatchParameters)}},
}


@router.get(
    "/spec",
    response_model=dict[str, Any],
    responses=problems(*PARAMETERS),
    summary="Dataset, config, digests, array tables, limits",
)
async def spec(parameters: Annotated[SpecParameters, Query()], serving: CurrentServing) -> Response:
    """What this server serves. `digest` is what clients pin."""
    response = JSONResponse(serving.dataset(parameters.dataset).spec.as_dict())
    response.headers.update(content_digest(bytes(response.body)))
    return response


@router.get(
    "/batches",
    response_class=Response,
    responses=STREAMED | NOT_MODIFIED | problems(*SAMPLES),
    summary="One batch, by index or by seed",
)
async def get_batch(
    request: Request, parameters: Annotated[BatchParameters, Query()], serving: CurrentServing
) -> Response:
    """By index: `indices`, `seed`, `epoch`. By seed: `seed`, `step`, `batch_size`, `rank`, `world_size`."""
    served = serving.dataset(parameters.dataset)
    batch = select_batch(parameters, served.spec, served.number)
    pinned = parameters.pinned and served.hashed  # a list of substitutes alone pins no file
    protected = request.app.state.access.credentials is not None
    headers = {"etag": batch.etag, "cache-control": cache_control(immutable=pinned, protected=protected)}
    if is_known(request, batch.etag):
        return not_modified(headers)
    if is_head(request):
        return HeadResponse(headers, MEDIA_TYPE)
    return BatchResponse(serving, [batch], headers, _facts(served, parameters, batch))


@router.post(
    "/batches",
    response_class=Response,
    responses=STREAMED | problems(*SAMPLES, *BODY),
    summary="One batch, whose parameters are in a JSON body: for long lists of indices",
    openapi_extra={"requestBody": REQUEST_BODY},
)
async def post_batch(request: Request, serving: CurrentServing) -> Response:
    """The parameters of the GET form as one JSON object; `indices` is a list."""
    for name, value in request.query_params.items():
        raise InvalidRequestError(name, value, "no parameter in the URL; a POST has them in its body")
    parameters = parse_body(await serving.bodies.read(request), serving.datasets[0].spec.max_batch)
    served = serving.dataset(parameters.dataset)
    batch = select_batch(parameters, served.spec, served.number)
    return BatchResponse(serving, [batch], {"cache-control": "no-store"}, _facts(served, parameters, batch))


@router.get(
    "/stream",
    response_class=Response,
    responses=STREAMED | problems(*SAMPLES),
    summary="Batches of one seed, step after step",
)
async def stream(
    request: Request, parameters: Annotated[StreamParameters, Query()], serving: CurrentServing
) -> Response:
    """Batches from step `start` to `stop`, or endless; each has its own header and trailer."""
    served = serving.dataset(parameters.dataset)
    batches = select_stream(parameters, served.spec, served.number)
    headers = {"cache-control": "no-store"}
    if is_head(request):
        return HeadResponse(headers, MEDIA_TYPE)
    facts = StreamFacts(
        served.title, parameters.layout, parameters.seed, parameters.rank, parameters.world_size,
        parameters.batch_size, is_stream=True,
    )  # fmt: skip
    return BatchResponse(serving, batches, headers, facts)


def _facts(served: ServedDataset, parameters: BatchParameters, batch: Batch) -> StreamFacts:
    return StreamFacts(
        served.title, parameters.layout, parameters.seed, parameters.rank or 0, parameters.world_size or 1,
        parameters.batch_size or len(batch.keys),
    )  # fmt: skip
