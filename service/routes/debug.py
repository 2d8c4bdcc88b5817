"""`/debug`: one sample to look at, as a page, a picture or JSON."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.explorer import explorer_page
from service.jobs import Job, Kind
from service.selection import SampleParameters, select_sample
from service.serving import Current, Serving

router = APIRouter(tags=["debug"])

Index = Annotated[int, Path(description="dataset index, 0 … N−1", ge=0)]
Asked = Annotated[SampleParameters, Query()]


@router.get("/", include_in_schema=False)
async def home() -> Response:
    """Lead people to the explorer."""
    return RedirectResponse("/explore/0")


@router.get("/explore/{index}", response_class=HTMLResponse, summary="A page to leaf through samples")
async def explore(index: Index, asked: Asked, serving: Current) -> Response:
    """The picture of a sample with links to its neighbours."""
    key = select_sample(index, asked, serving.spec)
    page = explorer_page(
        index=key.index,
        seed=key.seed,
        epoch=key.epoch,
        augment=asked.augment,
        total=serving.spec.size,
        config=serving.spec.config.name,
        dataset_name=serving.dataset_name,
        category_names=serving.spec.category_names,
    )
    return HTMLResponse(page)


@router.get(
    "/debug/samples/{index}.png",
    summary="One picture that explains a sample",
    responses={200: {"content": {"image/png": {}}}},
    response_class=Response,
)
async def picture(index: Index, asked: Asked, serving: Current) -> Response:
    """The original with boxes and crop window, the crop, corners, ignored areas, attention, the recipe as text."""
    return await _made("picture", "image/png", index, asked, serving)


@router.get("/debug/samples/{index}", summary="Key, recipe, boxes and array statistics of a sample")
async def document(index: Index, asked: Asked, serving: Current) -> Response:
    """The same facts as the picture, as JSON."""
    return await _made("document", "application/json", index, asked, serving)


async def _made(kind: Kind, media_type: str, index: int, asked: SampleParameters, serving: Serving) -> Response:
    key = select_sample(index, asked, serving.spec)
    refusal = serving.admission.refusal()
    if refusal is not None:
        return refusal
    try:
        body = await serving.pool.submit(Job(kind, key, asked.augment))
    finally:
        serving.admission.leave()
    return Response(body, media_type=media_type)
