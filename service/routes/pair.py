"""Two samples of an image, made at the same time."""

import asyncio
from collections.abc import Sequence

from fastapi import Request

from sampler.config_schema import SamplerConfig
from service.explorer.side_by_side.made import facts_or_problem
from service.explorer.side_by_side.pair import Pair
from service.explorer.side_by_side.variants import Variant, view_job
from service.lifespan.state import ServedDataset, Serving
from service.routes.view_response import get_view


async def get_pair(
    request: Request,
    serving: Serving,
    dataset: ServedDataset,
    index: int,
    variants: Sequence[tuple[Variant, SamplerConfig]],
) -> Pair:
    """Return samples of an image. variants: which samples, with the configs that make them."""
    jobs = [view_job("layers", dataset, index, variant, config) for variant, config in variants]
    made = await asyncio.gather(*(facts_or_problem(get_view(request, serving, job)) for job in jobs))
    return Pair(tuple(variant for variant, _ in variants), tuple(config for _, config in variants), tuple(made))
