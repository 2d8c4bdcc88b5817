"""Which samples a search looks at: ranges of the numbers that samples have in a rank's part of a stream."""

from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard, last_step
from sampler.survey.sampling import KEYS_AT_ONCE

SEARCHED = 4096
"""Most samples of one search: some hundred milliseconds of a worker."""


def whole_stream(shard: Shard) -> range:
    """Return all samples of a rank."""
    return range((last_step(shard) + 1) * shard.count)


def at_positions(positions: range, shard: Shard) -> range:
    """Return a rank's samples at some positions of the stream of all ranks."""
    start, stop = (_samples_before(position, shard) for position in (positions.start, positions.stop))
    return common(range(start, stop), whole_stream(shard))


def common(one: range, other: range) -> range:
    """Return the numbers that are in both ranges."""
    return range(max(one.start, other.start), min(one.stop, other.stop))


def around(place: StreamPlace, *, one_step: bool, within: range | None = None) -> range:
    """Return the samples that searches from a place look at in the end: of the stream, or of the step.

    within: numbers of the samples to which the search is limited; None for all.
    """
    count = place.shard.count
    step = range(place.step * count, (place.step + 1) * count)
    every = whole_stream(place.shard) if within is None else within
    return common(every, step) if one_step else every


def from_place(place: StreamPlace, *, one_step: bool, within: range | None = None) -> range:
    """Return the samples from a place on, to the end of those `around` it."""
    return range(place.samples_before, around(place, one_step=one_step, within=within).stop)


def following(place: StreamPlace, *, one_step: bool, within: range | None = None) -> range:
    """Return the samples after a place that one search looks at; none at the end of those `around` it."""
    return from_place(place, one_step=one_step, within=within)[1 : SEARCHED + 1]


def preceding(place: StreamPlace, *, one_step: bool, within: range | None = None) -> range:
    """Return the samples before a place that one search looks at; none at the start of those `around` it."""
    first = around(place, one_step=one_step, within=within).start
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


def _samples_before(position: int, shard: Shard) -> int:
    """Return the number of a rank's samples before a position of the stream of all ranks."""
    step, rest = divmod(position, shard.batch_size)
    return step * shard.count + min(max(rest - shard.bounds[0], 0), shard.count)
