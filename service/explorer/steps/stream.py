"""The samples of a stream, with what became of their boxes, from surveys that workers make."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard
from sampler.survey.sample_filter import SampleFilter
from sampler.survey.survey import Survey

SurveyKeys = Callable[[Sequence[SampleKey]], Awaitable[Survey]]


@dataclass(frozen=True, slots=True)
class StepSample:
    """One sample of a stream.

    Attributes:
        key: Its key.
        place: Its place in the stream.
        image: Index of the image that it is made from.
        objects: Number of objects.
        ignored: Number of ignored boxes.
        outside: Number of boxes outside the crop.
        untagged: Number of objects without tags.
        matching: Number of boxes that have what a filter asks for; None if it asks for no box.
    """

    key: SampleKey
    place: StreamPlace
    image: int
    objects: int
    ignored: int
    outside: int
    untagged: int
    matching: int | None = None


@dataclass(frozen=True, slots=True)
class SurveyedStream:
    """One rank's part of a stream. Its samples are numbered from 0 through all steps: see `samples_before`.

    Attributes:
        size: N, the number of images.
        seed: Of the stream.
        shard: The rank's part of each step.
        survey: Surveys the samples of some keys.
    """

    size: int
    seed: int
    shard: Shard
    survey: SurveyKeys

    def require(self, place: StreamPlace) -> None:
        """Raise `InvalidRequestError` for a place that the stream does not have."""
        place.keys(self.size, self.seed, 1)

    async def matches(self, numbers: range, wanted: SampleFilter) -> list[StepSample]:
        """Return the samples among consecutive ones that match a filter, in stream order.

        Samples beyond the end of the stream are left out. Raises whatever `survey` raises.
        """
        begin = StreamPlace.at(numbers.start, self.shard)
        if begin is None:
            return []
        survey = await self.survey(begin.keys(self.size, self.seed, len(numbers)))
        return _matches(survey, numbers.start, self.shard, wanted)


def _matches(survey: Survey, start: int, shard: Shard, wanted: SampleFilter) -> list[StepSample]:
    """Return the samples of a survey that match a filter. start: number of the first one."""
    rows = np.flatnonzero(wanted.matches(survey)).tolist()
    keys, images = survey.keys, survey.images.tolist()
    chosen = wanted.matching_boxes(survey) if wanted.concerns_boxes else None
    counts: list[list[Any]] = [
        [None] * len(survey) if marked is None else survey.counts(marked).tolist()
        for marked in (survey.objects, survey.ignored, survey.outside, survey.untagged, chosen)
    ]
    places = [StreamPlace(step, shard, number) for step, number in (divmod(start + row, shard.count) for row in rows)]
    return [
        StepSample(keys[row], place, images[row], *(column[row] for column in counts))
        for row, place in zip(rows, places, strict=True)
    ]
