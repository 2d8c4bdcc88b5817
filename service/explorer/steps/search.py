"""The samples of a step, and those from a place in the stream on that match a filter."""

from collections.abc import Sequence
from dataclasses import dataclass

from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from service.explorer.steps.ranges import SEARCHED, blocks, from_place, whole_blocks
from service.explorer.steps.stream import StepSample, SurveyedStream

STEP_PAGE = 192
"""Most samples on a page without a filter: larger steps take several pages."""

MATCHES_PAGE = 48
"""Most samples on a page with a filter."""


@dataclass(frozen=True, slots=True)
class StepPage:
    """The samples of a page.

    Attributes:
        samples: In stream order.
        searched: Number of samples that were searched.
        last_step: The step of the last of them.
        after: Where the stream, or the step that is searched, goes on; None at its end.
    """

    samples: tuple[StepSample, ...]
    searched: int
    last_step: int
    after: StreamPlace | None


async def step_page(stream: SurveyedStream, place: StreamPlace) -> StepPage:
    """Return the samples of a step from a place on. Raises `InvalidRequestError`, and whatever the survey raises."""
    stream.require(place)
    numbers = from_place(place, one_step=True)[:STEP_PAGE]
    found = await stream.matches(numbers, SampleFilter())
    return _page(found, numbers, from_place(place, one_step=False), place.shard)


async def matching_page(
    stream: SurveyedStream,
    place: StreamPlace,
    wanted: SampleFilter,
    *,
    one_step: bool = False,
    within: range | None = None,
    most: int = SEARCHED,
) -> StepPage:
    """Return the samples from a place on that match a filter. Raises like `step_page`.

    The search ends when the page is full, after `most` samples, or at the end of the stream. one_step: also at the end
    of the step. within: also at the end of these numbers, of which the place has one.
    """
    stream.require(place)
    searchable = from_place(place, one_step=one_step, within=within)
    numbers = searchable[:most]
    found: list[StepSample] = []
    stop = numbers.start
    for block in blocks(numbers):
        found += await stream.matches(block, wanted)
        stop = block.stop
        if len(found) >= MATCHES_PAGE:
            break
    if len(found) > MATCHES_PAGE:
        found = found[:MATCHES_PAGE]
        stop = found[-1].place.samples_before + 1
    return _page(found, range(numbers.start, stop), searchable, place.shard)


async def nearest_match(
    stream: SurveyedStream, numbers: range, wanted: SampleFilter, *, backwards: bool
) -> StepSample | None:
    """Return the first match among consecutive samples, or with `backwards` the last one; None if none matches.

    It surveys whole blocks, so that a search from the match on finds its surveys in the cache. Raises whatever the
    survey raises.
    """
    ordered = whole_blocks(numbers)
    for block in reversed(ordered) if backwards else ordered:
        found = [one for one in await stream.matches(block, wanted) if one.place.samples_before in numbers]
        if found:
            return found[-1 if backwards else 0]
    return None


def _page(found: Sequence[StepSample], searched: range, searchable: range, shard: Shard) -> StepPage:
    after = StreamPlace.at(searched.stop, shard) if searched.stop < searchable.stop else None
    return StepPage(tuple(found), len(searched), (searched.stop - 1) // shard.count, after)
