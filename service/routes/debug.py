"""One sample explained: as a picture or as JSON."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from service.batches.parameters import PathIndex, SampleViewParameters, refuse_repeated
from service.batches.selection import select_sample
from service.contract.responses import NOT_MODIFIED, SAMPLES, binary, document, problems
from service.lifespan.state import CurrentServing, Serving
from service.routes.view_response import view_response
from service.workers.protocol import ViewJob

router = APIRouter(tags=["debug"], dependencies=[Depends(refuse_repeated)])

Parameters = Annotated[SampleViewParameters, Query()]


@router.get(
    "/debug/samples/{index}.png",
    summary="One picture that explains a sample",
    responses=binary("image/png", "the picture") | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def picture(index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """Original with boxes and crop window, crop, network input, target arrays, and recipe."""
    return await _reply("picture", "image/png", index, parameters, request, serving)


@router.get(
    "/debug/samples/{index}",
    response_class=Response,
    responses=document("application/json", {"type": "object"}, "the facts") | NOT_MODIFIED | problems(*SAMPLES),
    summary="The facts about a sample, as JSON",
)
async def facts(index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """Key, recipe, boxes, and statistics of each array."""
    return await _reply("document", "application/json", index, parameters, request, serving)


async def _reply(
    kind: str, media_type: str, index: int, parameters: SampleViewParameters, request: Request, serving: Serving
) -> Response:
    dataset = serving.dataset(parameters.dataset)
    job = ViewJob(kind, dataset.number, (select_sample(index, parameters, dataset.spec),), parameters.augment)
    return await view_response(request, serving, dataset, job, media_type, names_all=parameters.names_all)
