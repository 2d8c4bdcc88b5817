"""Statistics of many samples, as a page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from sampler.survey.sampling import survey_keys
from service.batches.parameters import refuse_repeated
from service.batches.selection import check_pins
from service.contract.responses import PINNED, problems
from service.explorer.statistics.parameters import StatisticsParameters
from service.lifespan.state import CurrentServing
from service.routes.view_response import rendered
from service.views.statistics import Surveyed

router = APIRouter(tags=["explorer"], dependencies=[Depends(refuse_repeated)])


@router.get(
    "/stats",
    response_class=HTMLResponse,
    responses=problems(*PINNED, "worker", "shutting-down"),
    summary="A page with statistics of many samples",
)
async def statistics(
    parameters: Annotated[StatisticsParameters, Query()], request: Request, serving: CurrentServing
) -> Response:
    """Boxes before and after augmentation, what became of them, and random decisions against theory."""
    from service.explorer.statistics.page import statistics_page  # loads Jinja, which no other request needs

    dataset = serving.dataset(parameters.dataset)
    check_pins(parameters, dataset.spec)
    survey_keys(dataset.spec.size, parameters.seed, parameters.epoch, 1)  # refuses an epoch that no stream has
    wanted = Surveyed(dataset.number, parameters.seed, parameters.epoch, parameters.samples, parameters.augment)
    found = await serving.statistics.get(serving.views, dataset.spec, wanted, request.receive)
    return await rendered(request, serving, lambda: statistics_page(request, dataset, parameters, found))
