"""Which samples a search looks at: ranges of the numbers that samples have in a rank's part of a stream."""

from sampler.stream.places import StreamPlace
from sampler.stream.shards import last_step
from sampler.survey.sampling import KEYS_AT_ONCE

SEARCHED = 4096
"""Most samples of one search: some hundred milliseconds of a worker."""


def from_place(place: StreamPlace, *, one_step: bool) -> range:
    """Return the samples from a place on, to the end of the stream or of the step."""
    last = place.step if one_step else last_step(place.shard)
    return range(place.samples_before, (last + 1) * place.shard.count)


def following(place: StreamPlace, *, one_step: bool) -> range:
    """Return the samples after a place that one search looks at; none at the end of the stream or of the step."""
    return from_place(place, one_step=one_step)[1 : SEARCHED + 1]


def preceding(place: StreamPlace, *, one_step: bool) -> range:
    """Return the samples before a place that one search looks at; none at the start of the stream or of the step."""
    first = place.step * place.shard.count if one_step else 0
    return range(max(first, place.samples_before - SEARCHED), place.samples_before)


def blocks(numbers: range) -> list[range]:
    """Return the parts of a range that are surveyed one by one.

    They begin at multiples of `KEYS_AT_ONCE` wherever the range begins, so that searches share cached surveys.
    """
    return [range(max(one.start, numbers.start), min(one.stop, numbers.stop)) for one in whole_blocks(numbers)]


def whole_blocks(numbers: range) -> list[range]:
    """Return the blocks that contain a range. They may reach beyond it."""
    start = numbers.start - numbers.start % KEYS_AT_ONCE
    return [range(one, one + KEYS_AT_ONCE) for one in range(start, numbers.stop, KEYS_AT_ONCE)]
