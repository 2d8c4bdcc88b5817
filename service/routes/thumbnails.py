"""Small pictures of samples and of images, for pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from sampler.stream.keys import SampleKey
from service.batches.parameters import ImageViewParameters, PathIndex, SampleViewParameters, refuse_repeated
from service.batches.selection import select_image, select_sample
from service.contract.responses import NOT_MODIFIED, SAMPLES, binary, problems
from service.lifespan.state import CurrentServing
from service.routes.view_response import JPEG, view_response
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])


@router.get(
    "/explore/{index}/thumbnail",
    summary="A small picture of a sample",
    responses=binary(JPEG, "the picture") | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def sample_thumbnail(
    index: PathIndex, parameters: Annotated[SampleViewParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """The crop with its boxes and corners, at most 320 pixels wide and high."""
    dataset = serving.dataset(parameters.dataset)
    key = select_sample(index, parameters, dataset.spec)
    job = ViewJob("thumbnail", dataset.number, (key,), parameters.augment)
    return await view_response(request, serving, dataset, job, JPEG, names_all=parameters.names_all)


@router.get(
    "/images/{index}/thumbnail",
    summary="A small picture of an image",
    responses=binary(JPEG, "the picture") | NOT_MODIFIED | problems(*SAMPLES),
    response_class=Response,
)
async def image_thumbnail(
    index: PathIndex, parameters: Annotated[ImageViewParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """The image as it is, with its annotated boxes, at most 320 pixels wide and high."""
    dataset = serving.dataset(parameters.dataset)
    key = SampleKey(0, 0, select_image(index, parameters, dataset.spec))
    job = ViewJob("image-thumbnail", dataset.number, (key,))
    return await view_response(request, serving, dataset, job, JPEG, names_all=parameters.names_all)
