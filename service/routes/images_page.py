"""`/images`: the images of a dataset as thumbnails."""

import json
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sampler.dataset.images.notes import NoteKind
from sampler.stream.keys import SampleKey
from service.access.paths import root_of
from service.batches.parameters import refuse_repeated
from service.batches.selection import check_pins
from service.contract.responses import PINNED, problems
from service.explorer.images.links import ImageLinks
from service.explorer.images.listing import packed
from service.explorer.images.parameters import ImageListParameters, Remark, image_filter
from service.explorer.shell.links import query
from service.lifespan.state import CurrentServing
from service.routes.view_response import get_view, rendered
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])


@router.get("/images/find", include_in_schema=False)
async def find(request: Request) -> Response:
    """Redirect to the images that a form asks for, without its empty fields."""
    values = {name: text for name, text in request.query_params.items() if text}
    return RedirectResponse(f"{root_of(request.scope)}/images{query(values)}")


@router.get(
    "/images",
    response_class=HTMLResponse,
    responses=problems(*PINNED, "worker", "shutting-down"),
    summary="A page with the images of a dataset",
)
async def images(
    parameters: Annotated[ImageListParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """Thumbnails in dataset order, with their annotated boxes; all images, or those that filters find."""
    from service.explorer.images.page import images_page  # loads Jinja, which few requests need

    dataset = serving.dataset(parameters.dataset)
    check_pins(parameters, dataset.spec)
    wanted = image_filter(parameters, dataset.spec)
    if text := wanted["find"]:
        folders = dataset.folders
        wanted |= {"find": folders.file_name(text), "part": text, "beginnings": folders.beginnings(text)}
    noted = serving.notices.noted(dataset.number)
    options = {
        "filter": wanted,
        "first": parameters.first,
        "among": _among(parameters.remark, noted, dataset.spec.size),
        "substituted": parameters.remark == "substituted",
    }
    job = ViewJob("image-page", dataset.number, (SampleKey(0, 0, 0),), options=options)
    listing = json.loads(await get_view(request, serving, job))
    links = ImageLinks(root_of(request.scope), dataset.spec, parameters)
    counts = {kind: int(marked.sum()) for kind, marked in noted.items()}
    return await rendered(request, serving, lambda: images_page(request, dataset, links, listing, counts))


def _among(remark: Remark | None, noted: Mapping[NoteKind, npt.NDArray[np.bool_]], size: int) -> str | None:
    """Return the images with a remark as `packed` text; None for all images, and for a remark that workers know."""
    if remark is None or remark == "substituted":
        return None
    return packed(noted.get(remark, np.zeros(size, np.bool_)))
