"""Which samples the page of a step shows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from sampler.config.presets import PRESETS
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, last_step, step_keys
from sampler.survey.sample_filter import SampleFilter
from sampler.survey.sampling import KEYS_AT_ONCE, survey_samples
from sampler.survey.survey import Survey
from service.demo.dataset import DemoDataset
from service.explorer.steps.search import (
    MATCHES_PAGE,
    SEARCHED,
    STEP_PAGE,
    Page,
    Place,
    Stream,
    matching_page,
    step_page,
)

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


def stream_of(surveyor: Surveyor, batch_size: int = 10, rank: int = 0, world_size: int = 1) -> Stream:
    return Stream(len(surveyor.dataset), 7, Shard(batch_size, rank, world_size))


def page_of(surveyor: Surveyor, stream: Stream, place: Place, wanted: SampleFilter | None = None) -> Page:
    if wanted is None:
        return asyncio.run(step_page(stream, place, surveyor))
    return asyncio.run(matching_page(stream, place, wanted, surveyor))


def test_a_step_is_shown_in_stream_order(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 12, 1, 3)
    page = page_of(surveyor, stream, Place(95))
    assert [sample.key for sample in page.samples] == step_keys(len(surveyor.dataset), 7, 95, stream.shard)
    assert [sample.position for sample in page.samples] == [4, 5, 6, 7]
    assert {sample.step for sample in page.samples} == {95}
    assert page.after == Place(96)


def test_a_large_step_takes_several_pages(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, STEP_PAGE + 50)
    first = page_of(surveyor, stream, Place(3))
    assert first.after == Place(3, STEP_PAGE)
    second = page_of(surveyor, stream, first.after)
    assert len(second.samples) == 50
    keys = [sample.key for page in (first, second) for sample in page.samples]
    assert keys == step_keys(len(surveyor.dataset), 7, 3, stream.shard)


def test_counts_are_those_of_the_survey(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 40)
    survey = survey_samples(surveyor.dataset, CONFIG, stream.keys(Place(0), 40))
    page = page_of(surveyor, stream, Place(0))
    assert [sample.objects for sample in page.samples] == survey.counts(survey.objects).tolist()
    assert [sample.ignored for sample in page.samples] == survey.counts(survey.ignored).tolist()
    assert [sample.outside for sample in page.samples] == survey.counts(survey.outside).tolist()


def test_pages_of_matches_find_what_looking_at_each_sample_finds(surveyor: Surveyor) -> None:
    stream, wanted = stream_of(surveyor, 10, 1, 4), SampleFilter(state="ignored")
    pages, place = [], Place(5, 1)
    for _ in range(3):
        page = page_of(surveyor, stream, place, wanted)
        pages.append(page)
        assert page.after is not None
        place = page.after
    searched = sum(page.searched for page in pages)
    keys = stream.keys(Place(5, 1), searched)
    matching = wanted.matches(survey_samples(surveyor.dataset, CONFIG, keys)).tolist()
    expected = [key for key, matches in zip(keys, matching, strict=True) if matches]
    assert [sample.key for page in pages for sample in page.samples] == expected
    assert all(len(page.samples) == MATCHES_PAGE for page in pages)


def test_a_search_without_matches_ends_and_says_where(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    page = page_of(surveyor, stream, Place(2, 5), NEVER)
    assert page.samples == ()
    assert page.searched == SEARCHED == sum(surveyor.calls)
    assert max(surveyor.calls) == KEYS_AT_ONCE
    assert page.after == Place(2, 5).after(SEARCHED, stream.shard) == Place(412, 1)
    assert page.last_step == 412


def test_a_search_of_one_step_ends_with_it(surveyor: Surveyor) -> None:
    stream, wanted = stream_of(surveyor, 300, 1, 2), SampleFilter(state="ignored")
    found, searched = [], 0
    place: Place | None = Place(3, 10)
    while place is not None:
        page = asyncio.run(matching_page(stream, place, wanted, surveyor, one_step=True))
        found += [sample.key for sample in page.samples]
        searched, place = searched + page.searched, page.after
    keys = step_keys(len(surveyor.dataset), 7, 3, stream.shard)[10:]
    survey = survey_samples(surveyor.dataset, CONFIG, keys)
    expected = [key for key, matches in zip(keys, wanted.matches(survey).tolist(), strict=True) if matches]
    assert searched == len(keys)
    assert found == expected
    assert len(found) > MATCHES_PAGE


def test_a_match_says_how_many_boxes_were_found(surveyor: Surveyor) -> None:
    page = page_of(surveyor, stream_of(surveyor, 40), Place(0), SampleFilter(state="ignored"))
    assert [sample.matching for sample in page.samples] == [sample.ignored for sample in page.samples]
    bare = page_of(surveyor, stream_of(surveyor, 40), Place(0), SampleFilter(empty=True))
    assert {sample.matching for sample in bare.samples} == {None}


def test_a_search_ends_with_the_stream(surveyor: Surveyor) -> None:
    stream = stream_of(surveyor, 10)
    last = last_step(stream.shard)
    page = page_of(surveyor, stream, Place(last, 3), NEVER)
    assert (page.searched, page.last_step, page.after) == (7, last, None)
    assert page_of(surveyor, stream, Place(last)).after is None


def test_the_ranks_of_a_step_find_its_matches_together(surveyor: Surveyor) -> None:
    wanted = SampleFilter(state="ignored")
    whole = page_of(surveyor, stream_of(surveyor, 30), Place(4), wanted)
    expected = [sample.key for sample in whole.samples if sample.step == 4]
    found = []
    for rank in range(4):
        page = page_of(surveyor, stream_of(surveyor, 30, rank, 4), Place(4), wanted)
        found += [sample.key for sample in page.samples if sample.step == 4]
    assert found == expected


def test_a_place_beyond_the_step_is_refused_by_name(surveyor: Surveyor) -> None:
    with pytest.raises(InvalidRequestError, match=r"^first = 10: expected an integer from 0 to 9"):
        page_of(surveyor, stream_of(surveyor, 10), Place(0, 10))
