"""The samples of a comparison as workers make them; one that cannot be made keeps no other from being shown."""

from collections.abc import Awaitable

from sampler.wire.problem_types import PROBLEM_TYPES
from service.errors.problems import ServiceError
from service.explorer.sample.contents import SAMPLE_PROBLEMS, SampleContents
from service.explorer.side_by_side.shown import Facts

Made = Facts | ServiceError
"""The facts about a sample, or why it cannot be made."""


async def facts_or_problem(view: Awaitable[bytes]) -> Made:
    """Return the facts of a sample's view, or the problem with the sample. All other problems are raised."""
    try:
        return SampleContents.decode(await view).facts
    except ServiceError as error:
        if error.kind not in SAMPLE_PROBLEMS:
            raise
        return error


def facts_of(samples: tuple[Made, ...]) -> list[Facts]:
    """Return the facts of the samples that could be made."""
    return [made for made in samples if not isinstance(made, ServiceError)]


def status_of(samples: tuple[Made, ...]) -> int:
    """Return the HTTP status of a page of samples: that of the first problem, or 200."""
    return next((PROBLEM_TYPES[made.kind].status for made in samples if isinstance(made, ServiceError)), 200)
