"""`/steps/{step}`: the samples of a step, or those from there on that match a filter, as thumbnails."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.survey.survey import Survey
from service.access.paths import root_of
from service.batches.parameters import DECIMAL, Step, refuse_repeated
from service.batches.selection import check_pins
from service.contract.methods import is_head
from service.contract.responses import SAMPLES, problems
from service.explorer.shell.headers import head_of_page
from service.explorer.shell.links import query
from service.explorer.steps.page import StepLinks, step_values
from service.explorer.steps.parameters import StepParameters, sample_filter
from service.explorer.steps.search import Place, Stream, matching_page, step_page
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.view_response import get_view
from service.workers.protocol import ViewJob

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])

PathStep = Annotated[Step, Path(description="global step")]


@router.get("/", include_in_schema=False)
async def home(request: Request) -> Response:
    """Redirect to the first step, with the same parameters."""
    same = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{root_of(request.scope)}/steps/0{same}")


@router.get("/steps", include_in_schema=False)
async def choose(request: Request) -> Response:
    """Redirect to the step that a form names; without scripts, a browser cannot put it into the path itself."""
    values: dict[str, object] = {name: text for name, text in request.query_params.items() if text}
    step = str(values.pop("step", 0))
    if not DECIMAL.fullmatch(step):
        raise InvalidRequestError("step", step, "an integer")
    return RedirectResponse(f"{root_of(request.scope)}/steps/{step}{query(values)}")


@router.get(
    "/steps/{step}",
    response_class=HTMLResponse,
    responses=problems(*SAMPLES),
    summary="A page with the samples of a step, or with those that match a filter",
)
async def samples_of_step(
    step: PathStep, parameters: Annotated[StepParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """Thumbnails in stream order. With a filter: of the matching samples from this step on, until the page is full."""
    from service.explorer.shell.templates import page  # loads Jinja, which no other request needs

    dataset = serving.dataset(parameters.dataset)
    check_pins(parameters, dataset.spec)
    stream, place = Stream(dataset.spec.size, parameters.seed, parameters.shard), Place(step, parameters.first)
    wanted = sample_filter(parameters, dataset.spec)
    stream.keys(place, 1)  # refuses a place that is not in the stream
    if is_head(request):
        return head_of_page()

    async def survey(keys: Sequence[SampleKey]) -> Survey:
        job = ViewJob("survey", dataset.number, tuple(keys), parameters.augment)
        return Survey.from_bytes(await get_view(request, serving, job))

    if wanted.is_active:
        found = await matching_page(stream, place, wanted, survey, one_step=parameters.one_step)
    else:
        found = await step_page(stream, place, survey)
    rows = await _rows([sample.image for sample in found.samples], dataset, request, serving)
    links = StepLinks(root_of(request.scope), dataset.spec, parameters)
    return page(
        request,
        "steps/page.html",
        title=f"Step {step} · {dataset.title}",
        scripts=("shell/tiles.js",),
        styles=("shell/tiles.css",),
        dataset_title=dataset.title,
        **step_values(links, place, found, rows, filtered=wanted.is_active),
    )


async def _rows(
    images: Sequence[int], dataset: ServedDataset, request: Request, serving: Serving
) -> list[dict[str, Any]]:
    """Return what the dataset index says about images, in this order."""
    if not images:
        return []
    job = ViewJob("image-rows", dataset.number, tuple(SampleKey(0, 0, image) for image in images))
    rows: list[dict[str, Any]] = json.loads(await get_view(request, serving, job))
    return rows
