"""`/steps/{step}`: the samples of a step, or those from there on that match a filter, as thumbnails."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.survey.sample_filter import SampleFilter
from sampler.survey.survey import Survey
from service.access.paths import root_of
from service.batches.parameters import DECIMAL, Step, refuse_repeated
from service.batches.selection import check_pins
from service.contract.responses import SAMPLES, problems
from service.explorer.shell.links import query
from service.explorer.steps.links import StepLinks
from service.explorer.steps.parameters import StepParameters, sample_filter
from service.explorer.steps.search import StepPage, matching_page, step_page
from service.explorer.steps.stream import SurveyedStream
from service.lifespan.state import CurrentServing, ServedDataset, Serving
from service.routes.view_response import get_view, rendered
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
    from service.explorer.steps.page import steps_page  # loads Jinja, which few requests need

    dataset = serving.dataset(parameters.dataset)
    check_pins(parameters, dataset.spec)
    wanted = sample_filter(parameters, dataset.spec)
    stream = surveyed_stream(dataset, parameters, request, serving)
    within = parameters.within(dataset.spec.size)
    place = _begin(StreamPlace(step, parameters.shard, parameters.first), within)
    stream.require(place)
    found = await _found(stream, place, wanted, parameters, within)
    rows = await _rows([sample.image for sample in found.samples], dataset, request, serving)
    links = StepLinks(root_of(request.scope), dataset.spec, parameters)
    return await rendered(request, serving, lambda: steps_page(request, dataset, links, place, found, rows))


def surveyed_stream(
    dataset: ServedDataset, parameters: StepParameters, request: Request, serving: Serving
) -> SurveyedStream:
    """Return the stream of some parameters, which workers survey for a request."""

    async def survey(keys: Sequence[SampleKey]) -> Survey:
        job = ViewJob("survey", dataset.number, tuple(keys), parameters.augment)
        return Survey.from_bytes(await get_view(request, serving, job))

    return SurveyedStream(dataset.spec.size, parameters.seed, parameters.shard, survey)


def _begin(place: StreamPlace, within: range | None) -> StreamPlace:
    """Return where a page begins: at the first sample to which a search is limited, if the place is not among them."""
    if within is None or place.samples_before in within:
        return place
    return StreamPlace.at(within.start, place.shard) or place


async def _found(
    stream: SurveyedStream,
    place: StreamPlace,
    wanted: SampleFilter,
    parameters: StepParameters,
    within: range | None,
) -> StepPage:
    if not parameters.is_search:
        return await step_page(stream, place)
    return await matching_page(
        stream, place, wanted, one_step=parameters.one_step, within=within, most=parameters.samples
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
