"""Which samples the page of a step shows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from sampler.config.presets import PRESETS
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard, last_step, step_keys
from sampler.survey.sample_filter import SampleFilter
from sampler.survey.sampling import KEYS_AT_ONCE, survey_samples
from sampler.survey.survey import Survey
from service.demo.dataset import DemoDataset
from service.explorer.steps.ranges import SEARCHED, following, preceding
from service.explorer.steps.search import MATCHES_PAGE, STEP_PAGE, StepPage, matching_page, nearest_match, step_page
from service.explorer.steps.stream import SurveyedStream

CONFIG = PRESETS["cornernet_saccade"]
NEVER = SampleFilter(min_side=100_000)


@dataclass
class Surveyor:
    """Surveys samples of a dataset, and counts them."""

    dataset: Dataset
    calls: list[int] = field(default_factory=list)

    async def __call__(self, keys: Sequence[SampleKey]) -> Survey:
        self.calls.append(len(keys))
        return survey_samples(self.dataset, CONFIG, keys)


@pytest.fixture(scope="module")
def dataset(demo: DemoDataset) -> Dataset:
    return open_dataset(demo.annotations, demo.images, demo.annotations.parent / "index")


@pytest.fixture
def surveyor(dataset: Dataset) -> Surveyor:
    return Surveyor(dataset)


def stream_of(surveyor: Surveyor, batch_size: int = 10, rank: int = 0, world_size: int = 1) -> SurveyedStream:
    return SurveyedStream(len(surveyor.dataset), 7, Shard(batch_size, rank, world_size), surveyor)


def keys_of(stream: SurveyedStream, place: StreamPlace, count: int) -> list[SampleKey]:
    return place.keys(stream.size, stream.seed, count)


def page_of(stream: SurveyedStream, step: int, number: int = 0, wanted: SampleFilter | None = None) -> StepPage:
    place = StreamPlace(step, stream.shard, number)
    if wanted is None:
        return asyncio.run(step_page(stream, place))
    return asyncio.run(matching_page(stream, place, wanted))


def test_a_step_is_shown_in_stream_order(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 12, 1, 3)
    page = page_of(stream, 95)
    assert [sample.key for sample in page.samples] == step_keys(len(surveyor.dataset), 7, 95, stream.shard)
    assert [sample.place.position for sample in page.samples] == [95 * 12 + one for one in (4, 5, 6, 7)]
    assert {sample.place.step for sample in page.samples} == {95}
    assert page.after == StreamPlace(96, stream.shard, 0)


def test_a_large_step_takes_several_pages(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, STEP_PAGE + 50)
    first = page_of(stream, 3)
    assert first.after == StreamPlace(3, stream.shard, STEP_PAGE)
    assert first.after is not None
    second = page_of(stream, first.after.step, first.after.number)
    assert len(second.samples) == 50
    keys = [sample.key for page in (first, second) for sample in page.samples]
    assert keys == step_keys(len(surveyor.dataset), 7, 3, stream.shard)


def test_counts_are_those_of_the_survey(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 40)
    survey = survey_samples(surveyor.dataset, CONFIG, keys_of(stream, StreamPlace(0, stream.shard, 0), 40))
    page = page_of(stream, 0)
    assert [sample.objects for sample in page.samples] == survey.counts(survey.objects).tolist()
    assert [sample.ignored for sample in page.samples] == survey.counts(survey.ignored).tolist()
    assert [sample.outside for sample in page.samples] == survey.counts(survey.outside).tolist()


def test_pages_of_matches_find_what_looking_at_each_sample_finds(surveyor: Surveyor) -> None:
    stream, wanted = stream_of(surveyor, 10, 1, 4), SampleFilter(state="ignored")
    begin = place = StreamPlace(5, stream.shard, 1)
    pages = []
    for _ in range(3):
        page = page_of(stream, place.step, place.number, wanted)
        pages.append(page)
        assert page.after is not None
        place = page.after
    searched = sum(page.searched for page in pages)
    keys = keys_of(stream, begin, searched)
    matching = wanted.matches(survey_samples(surveyor.dataset, CONFIG, keys)).tolist()
    expected = [key for key, matches in zip(keys, matching, strict=True) if matches]
    assert [sample.key for page in pages for sample in page.samples] == expected
    assert all(len(page.samples) == MATCHES_PAGE for page in pages)


def test_a_search_without_matches_ends_and_says_where(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    page = page_of(stream, 2, 5, wanted=NEVER)
    assert page.samples == ()
    assert page.searched == SEARCHED == sum(surveyor.calls)
    assert max(surveyor.calls) == KEYS_AT_ONCE
    assert page.after == StreamPlace(2, stream.shard, 5).after(SEARCHED) == StreamPlace(412, stream.shard, 1)
    assert page.last_step == 412


def test_a_search_of_one_step_ends_with_it(surveyor: Surveyor) -> None:
    stream, wanted = stream_of(surveyor, 300, 1, 2), SampleFilter(state="ignored")
    found, searched = [], 0
    place: StreamPlace | None = StreamPlace(3, stream.shard, 10)
    while place is not None:
        page = asyncio.run(matching_page(stream, place, wanted, one_step=True))
        found += [sample.key for sample in page.samples]
        searched, place = searched + page.searched, page.after
    keys = step_keys(len(surveyor.dataset), 7, 3, stream.shard)[10:]
    survey = survey_samples(surveyor.dataset, CONFIG, keys)
    expected = [key for key, matches in zip(keys, wanted.matches(survey).tolist(), strict=True) if matches]
    assert searched == len(keys)
    assert found == expected
    assert len(found) > MATCHES_PAGE


def test_a_match_says_how_many_boxes_were_found(surveyor: Surveyor) -> None:
    page = page_of(stream_of(surveyor, 40), 0, wanted=SampleFilter(state="ignored"))
    assert [sample.matching for sample in page.samples] == [sample.ignored for sample in page.samples]
    bare = page_of(stream_of(surveyor, 40), 0, wanted=SampleFilter(empty=True))
    assert {sample.matching for sample in bare.samples} == {None}


def test_a_search_ends_with_the_stream(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    last = last_step(stream.shard)
    page = page_of(stream, last, 3, wanted=NEVER)
    assert (page.searched, page.last_step, page.after) == (7, last, None)
    assert page_of(stream, last).after is None


def test_the_ranks_of_a_step_find_its_matches_together(surveyor: Surveyor) -> None:
    wanted = SampleFilter(state="ignored")
    whole = page_of(stream_of(surveyor, 30), 4, wanted=wanted)
    expected = [sample.key for sample in whole.samples if sample.place.step == 4]
    found = []
    for rank in range(4):
        page = page_of(stream_of(surveyor, 30, rank, 4), 4, wanted=wanted)
        found += [sample.key for sample in page.samples if sample.place.step == 4]
    assert found == expected


def test_a_place_beyond_the_step_is_refused_by_name(surveyor: Surveyor) -> None:
    with pytest.raises(InvalidRequestError, match=r"^first = 10: expected an integer from 0 to 9"):
        page_of(stream_of(surveyor, 10), 0, 10)


def test_a_search_of_some_samples_goes_on_after_them(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    page = asyncio.run(matching_page(stream, StreamPlace(2, stream.shard, 5), NEVER, most=7))
    assert (page.searched, sum(surveyor.calls), page.last_step) == (7, 7, 3)
    assert page.after == StreamPlace(3, stream.shard, 2)


@pytest.mark.parametrize("rank", [0, 3])
def test_the_matches_around_each_match_are_its_neighbours_on_the_page(surveyor: Surveyor, rank: int) -> None:
    stream, wanted = stream_of(surveyor, 10, rank, 4), SampleFilter(state="ignored")
    found = page_of(stream, 0, wanted=wanted).samples[:8]
    walked, returned = [found[0]], [found[-1]]
    for _ in found[1:]:
        onward, back = following(walked[-1].place, one_step=False), preceding(returned[-1].place, one_step=False)
        after = asyncio.run(nearest_match(stream, onward, wanted, backwards=False))
        before = asyncio.run(nearest_match(stream, back, wanted, backwards=True))
        assert after is not None
        assert before is not None
        walked.append(after)
        returned.append(before)
    assert tuple(walked) == tuple(reversed(returned)) == found
    assert asyncio.run(nearest_match(stream, range(found[0].place.samples_before), wanted, backwards=True)) is None


def test_a_search_for_one_match_looks_at_as_many_samples_as_a_page(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    here = StreamPlace(900, stream.shard, 3)
    assert following(here, one_step=False) == range(9004, 9004 + SEARCHED)
    assert preceding(here, one_step=False) == range(9003 - SEARCHED, 9003)
    assert following(here, one_step=True) == range(9004, 9010)
    assert preceding(here, one_step=True) == range(9000, 9003)
    for numbers in (following(here, one_step=False), preceding(here, one_step=False)):
        surveyor.calls.clear()
        assert asyncio.run(nearest_match(stream, numbers, NEVER, backwards=False)) is None
        assert sum(surveyor.calls) < SEARCHED + 2 * KEYS_AT_ONCE


def test_nothing_is_searched_beyond_the_ends_of_the_stream() -> None:
    shard = Shard(10)
    last = StreamPlace(last_step(shard), shard, 9)
    assert not following(last, one_step=False)
    assert not preceding(StreamPlace(0, shard, 0), one_step=False)
    assert preceding(StreamPlace(0, shard, 4), one_step=False) == range(4)


def test_searches_around_a_match_share_its_surveys(surveyor: Surveyor) -> None:
    stream, wanted = stream_of(surveyor, 10), SampleFilter(state="ignored")
    surveyed: list[tuple[SampleKey, ...]] = []

    async def survey(keys: Sequence[SampleKey]) -> Survey:
        surveyed.append(tuple(keys))
        return await surveyor(keys)

    recorded = replace(stream, survey=survey)
    for number in (2 * KEYS_AT_ONCE + 10, 2 * KEYS_AT_ONCE + 60):
        asyncio.run(nearest_match(recorded, range(number, number + SEARCHED), wanted, backwards=False))
        asyncio.run(nearest_match(recorded, range(number - 10, number), wanted, backwards=True))
    assert len(surveyed) == 4
    assert len(set(surveyed)) == 1
