"""`/debug`: one sample to look at, as a page, a picture or JSON."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.batches.disconnect import ClientLeftError, departure
from service.batches.selection import SampleParameters, refuse_repeated, select_sample
from service.explorer.page import explorer_page
from service.lifespan.state import Current, Serving
from service.workers.protocol import Job, Kind

router = APIRouter(tags=["debug"], dependencies=[Depends(refuse_repeated)])

Index = Annotated[int, Path(description="dataset index, 0 … N−1", ge=0)]
Asked = Annotated[SampleParameters, Query()]


@router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    """Lead people to the explorer."""
    return RedirectResponse(f"{_root(request)}/explore/0")


@router.get("/explore/{index}", response_class=HTMLResponse, summary="A page to leaf through samples")
async def explore(index: Index, asked: Asked, request: Request, serving: Current) -> Response:
    """The picture of a sample with links to its neighbours."""
    key = select_sample(index, asked, serving.spec)
    page = explorer_page(
        root=_root(request),
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


def _root(request: Request) -> str:
    """Return the path under which a proxy shows this server; most often none."""
    return str(request.scope.get("root_path", "")).rstrip("/")


@router.get(
    "/debug/samples/{index}.png",
    summary="One picture that explains a sample",
    responses={200: {"content": {"image/png": {}}}},
    response_class=Response,
)
async def picture(index: Index, asked: Asked, request: Request, serving: Current) -> Response:
    """The original with boxes and crop window, the crop, corners, ignored areas, attention, the recipe as text."""
    return await _made("picture", "image/png", index, asked, request, serving)


@router.get("/debug/samples/{index}", summary="Key, recipe, boxes and array statistics of a sample")
async def document(index: Index, asked: Asked, request: Request, serving: Current) -> Response:
    """The same facts as the picture, as JSON."""
    return await _made("document", "application/json", index, asked, request, serving)


async def _made(
    kind: Kind, media_type: str, index: int, asked: SampleParameters, request: Request, serving: Serving
) -> Response:
    key = select_sample(index, asked, serving.spec)
    refusal = serving.admission.refusal()
    if refusal is not None:
        return refusal
    try:
        body = await _unless_left(serving.pool.submit(Job(kind, key, asked.augment)), request)
    finally:
        serving.admission.leave()
    return Response(body, media_type=media_type)


async def _unless_left(answer: "asyncio.Future[bytes]", request: Request) -> bytes:
    """Return the answer. When the client leaves first, let go of it and raise `ClientLeftError`."""
    leaving = asyncio.create_task(departure(request.receive))
    try:
        first: set[asyncio.Future[Any]] = {answer, leaving}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientLeftError("before its answer")
        return await answer
    finally:
        answer.cancel()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
