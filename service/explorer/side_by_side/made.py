"""The samples of a comparison as workers make them; one that cannot be made keeps no other from being shown."""

from collections.abc import Awaitable

from service.errors.problems import ServiceError
from service.explorer.sample.contents import SAMPLE_PROBLEMS, SampleContents
from service.explorer.side_by_side.layers import Facts

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
