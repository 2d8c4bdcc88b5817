"""`/v1/images`: images with their annotations, as the annotation file has them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from sampler.wire.content_digest import content_digest
from service.batches.parameters import ImagesParameters, refuse_repeated
from service.batches.selection import select_images
from service.contract.methods import HeadResponse, is_head
from service.contract.responses import PINNED, document, problems
from service.disconnect import until_disconnect
from service.lifespan.state import CurrentServing
from service.workers.protocol import ImagesJob

router = APIRouter(prefix="/v1", tags=["images"], dependencies=[Depends(refuse_repeated)])


@router.get(
    "/images",
    summary="Images with their annotations",
    responses=document("application/json", {"type": "object"}, "the images")
    | problems(*PINNED, "worker", "shutting-down"),
    response_class=Response,
)
async def images(
    request: Request, parameters: Annotated[ImagesParameters, Query()], serving: CurrentServing
) -> Response:
    """Id, file name, size and boxes of each image, with the values of the annotation file."""
    dataset = serving.dataset(parameters.dataset)
    indices = select_images(parameters, dataset.spec)
    if is_head(request):
        return HeadResponse({}, "application/json")
    async with serving.admission.admit():
        reply = serving.pool.submit(ImagesJob(indices, dataset.number))
        body = await until_disconnect(reply, request.receive)
    return Response(body, headers=content_digest(body), media_type="application/json")
