"""`/explore/{index}/next-match` and `previous-match`: from a sample to another one that the same search finds."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from sampler.stream.places import StreamPlace
from service.access.paths import root_of
from service.batches.parameters import PathIndex, SampleParameters, SearchQuery, ShownLayers, refuse_repeated
from service.batches.selection import select_sample
from service.explorer.steps.links import StepLinks
from service.explorer.steps.parameters import Direction, sample_filter
from service.explorer.steps.sample_search import Search
from service.explorer.steps.search import nearest_match
from service.lifespan.state import CurrentServing, Serving
from service.routes.steps import surveyed_stream

router = APIRouter(tags=["explorer"], include_in_schema=False, dependencies=[Depends(refuse_repeated)])


class MatchParameters(SampleParameters):
    """One sample, the search whose matches are wanted, and the layers that the page of a match shows."""

    search: SearchQuery
    layers: ShownLayers = None


Parameters = Annotated[MatchParameters, Query()]


@router.get("/explore/{index}/next-match")
async def next_match(index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing) -> Response:
    """Redirect to the next sample that the search finds, or to a page that says which samples do not match."""
    return await _redirect("next", index, parameters, request, serving)


@router.get("/explore/{index}/previous-match")
async def previous_match(
    index: PathIndex, parameters: Parameters, request: Request, serving: CurrentServing
) -> Response:
    """Redirect to the previous sample that the search finds, or to a page that says which samples do not match."""
    return await _redirect("previous", index, parameters, request, serving)


async def _redirect(
    direction: Direction, index: int, parameters: MatchParameters, request: Request, serving: Serving
) -> Response:
    dataset = serving.dataset(parameters.dataset)
    key = select_sample(index, parameters, dataset.spec)
    search = Search.of(parameters.search)
    here = search.place(key, dataset.spec, augment=parameters.augment)
    numbers = search.numbers(here, dataset.spec.size, direction)
    stream = surveyed_stream(dataset, search.parameters, request, serving)
    wanted = sample_filter(search.parameters, dataset.spec)
    found = await nearest_match(stream, numbers, wanted, backwards=direction == "previous")
    links = StepLinks(root_of(request.scope), dataset.spec, search.parameters)
    if found is not None:
        return RedirectResponse(links.sample(found, search.text, parameters.layers))
    begin = StreamPlace.at(numbers.start, here.shard) if numbers else None  # none before the first sample, for instance
    if begin is None:
        return RedirectResponse(links.page(here))
    return RedirectResponse(links.page(begin, samples=len(numbers), missing=direction))
