"""The samples of a page: those of a step, or those from a place in the stream on that match a filter."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, keys_from, last_step
from sampler.survey.sample_filter import SampleFilter
from sampler.survey.sampling import KEYS_AT_ONCE
from sampler.survey.survey import Survey

STEP_PAGE = 192
"""Most samples on a page without a filter: larger steps take several pages."""

MATCHES_PAGE = 48
"""Most samples on a page with a filter."""

SEARCHED = 4096
"""Most samples that are searched for a page with a filter: some hundred milliseconds of a worker."""

SurveyKeys = Callable[[Sequence[SampleKey]], Awaitable[Survey]]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the stream of a rank: a step and a number of samples of the rank's part before it."""

    step: int
    first: int = 0

    def after(self, count: int, shard: Shard) -> "Place":
        """Return the place some samples later."""
        return Place(*divmod(self.step * shard.count + self.first + count, shard.count))


@dataclass(frozen=True, slots=True)
class Found:
    """One sample of a page.

    Attributes:
        key: Its key.
        image: Index of the image that it is made from.
        step: Its step.
        position: Its position in the step, of all ranks together.
        objects: Number of objects.
        ignored: Number of ignored boxes.
        outside: Number of boxes outside the crop.
        untagged: Number of objects without tags.
        matching: Number of boxes that have what the filter asks for; None if it asks for no box.
    """

    key: SampleKey
    image: int
    step: int
    position: int
    objects: int
    ignored: int
    outside: int
    untagged: int
    matching: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The samples of a page.

    Attributes:
        samples: In stream order.
        searched: Number of samples that were searched.
        last_step: The step of the last of them.
        after: Where the stream goes on; None at its end.
    """

    samples: tuple[Found, ...]
    searched: int
    last_step: int
    after: Place | None


@dataclass(frozen=True, slots=True)
class Stream:
    """The part of a stream that one rank takes."""

    size: int  # images of the dataset
    seed: int
    shard: Shard

    def number_at(self, place: Place) -> int:
        """Return the number of samples of the rank before a place."""
        return place.step * self.shard.count + place.first

    def number(self, sample: Found) -> int:
        """Return the number of samples of the rank before a sample."""
        return self.number_at(Place(sample.step, sample.position - self.shard.bounds[0]))

    def keys(self, place: Place, count: int) -> list[SampleKey]:
        """Return keys from a place on, fewer at the end of the stream. Raises `InvalidRequestError`."""
        return keys_from(self.size, self.seed, place.step, place.first, count, self.shard)


async def step_page(stream: Stream, place: Place, survey: SurveyKeys) -> Page:
    """Return the samples of a step from a place on. Raises `InvalidRequestError`, and whatever `survey` raises."""
    count = max(1, min(STEP_PAGE, stream.shard.count - place.first))  # `keys` refuses a place beyond the step
    keys = stream.keys(place, count)
    found = _found(stream, place, await survey(keys), SampleFilter())
    return _page(stream, place, found, len(keys), last_step(stream.shard))


async def matching_page(
    stream: Stream, place: Place, wanted: SampleFilter, survey: SurveyKeys, *, one_step: bool = False
) -> Page:
    """Return the samples from a place on that match a filter. Raises like `step_page`.

    The search ends when the page is full, after `SEARCHED` samples, or at the end of the stream. one_step: also at the
    end of the step.
    """
    last = place.step if one_step else last_step(stream.shard)
    most = min(SEARCHED, stream.shard.count - place.first) if one_step else SEARCHED
    found: list[Found] = []
    searched, here = 0, place
    while searched < most and len(found) < MATCHES_PAGE and here.step <= last:
        keys = stream.keys(here, min(KEYS_AT_ONCE, most - searched))
        found += _found(stream, here, await survey(keys), wanted)
        searched += len(keys)
        here = here.after(len(keys), stream.shard)
    if len(found) > MATCHES_PAGE:
        found = found[:MATCHES_PAGE]
        searched = stream.number(found[-1]) - stream.number_at(place) + 1
    return _page(stream, place, found, searched, last)


def _page(stream: Stream, place: Place, found: Sequence[Found], searched: int, last: int) -> Page:
    """Return a page. last: the step with which the stream, or the search, ends."""
    after = place.after(searched, stream.shard)
    reached = place.after(searched - 1, stream.shard)
    return Page(tuple(found), searched, reached.step, after if after.step <= last else None)


def _found(stream: Stream, place: Place, survey: Survey, wanted: SampleFilter) -> list[Found]:
    """Return the samples of a survey, which begins at a place, that match a filter."""
    rows = np.flatnonzero(wanted.matches(survey)).tolist()
    keys, images = survey.keys, survey.images.tolist()
    chosen = wanted.matching_boxes(survey) if wanted.concerns_boxes else None
    counts: list[list[Any]] = [
        [None] * len(survey) if marked is None else survey.counts(marked).tolist()
        for marked in (survey.objects, survey.ignored, survey.outside, survey.untagged, chosen)
    ]
    places = [place.after(row, stream.shard) for row in rows]
    start = stream.shard.bounds[0]
    return [
        Found(keys[row], images[row], one.step, start + one.first, *(column[row] for column in counts))
        for row, one in zip(rows, places, strict=True)
    ]
