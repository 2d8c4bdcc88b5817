"""Statistics of a page are put together from surveys that workers make, and cached."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.survey.sampling import KEYS_AT_ONCE, survey_keys, survey_samples
from sampler.survey.statistics import Statistics, survey_statistics
from sampler.wire.spec import ServiceSpec
from service.demo.dataset import DemoDataset
from service.disconnect import ClientDisconnectedError
from service.errors.problems import ServiceError
from service.views.statistics import COMPUTED_AT_ONCE, JOBS_AT_ONCE, RecentStatistics, Surveyed
from service.workers.protocol import ViewJob

CONFIG = preset("cornernet_saccade")


class Surveys:
    """Stands for `Views`: makes surveys at once, or does what `before` does."""

    def __init__(self, dataset: Dataset, before: Callable[[int], Any] = lambda _: None) -> None:
        self.jobs: list[ViewJob] = []
        self.most_at_once = self.ended = self._now = 0
        self._dataset = dataset
        self._before = before

    async def get(self, job: ViewJob, _receive: object) -> bytes:
        self.jobs.append(job)
        number = len(self.jobs)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(0)
            waiting = self._before(number)
            if waiting is not None:
                await waiting
            return survey_samples(self._dataset, CONFIG, job.keys, job.augment).to_bytes()
        finally:
            self._now -= 1
            self.ended += 1


@pytest.fixture(scope="module")
def dataset(demo: DemoDataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(demo.annotations, demo.images, tmp_path_factory.mktemp("cache"))


async def connected() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def disconnected() -> Message:
    return {"type": "http.disconnect"}


def ask(
    recent: RecentStatistics, views: Surveys, dataset: Dataset, receive: Any = connected, *, samples: int, seed: int = 0
) -> Coroutine[Any, Any, Statistics]:
    spec = ServiceSpec("", "", len(dataset), dataset.category_names, CONFIG, 1024, 1 << 20)
    wanted = Surveyed(0, seed, epoch=0, samples=samples, augment=True)
    return recent.get(views, spec, wanted, receive)  # type: ignore[arg-type] # stands for Views


def test_surveys_of_some_hundred_samples_are_put_together_in_order(dataset: Dataset) -> None:
    views, samples = Surveys(dataset), 10 * KEYS_AT_ONCE + 7
    found = asyncio.run(ask(RecentStatistics(), views, dataset, samples=samples, seed=3))
    keys = survey_keys(len(dataset), 3, 0, samples)
    assert [key for job in views.jobs for key in job.keys] == keys
    assert found == survey_statistics(survey_samples(dataset, CONFIG, keys), CONFIG, dataset.category_names)
    assert views.most_at_once <= JOBS_AT_ONCE


def test_the_same_statistics_again_need_no_surveys(dataset: Dataset) -> None:
    async def twice() -> None:
        recent, views = RecentStatistics(capacity=2), Surveys(dataset)
        for seed in (1, 2, 1, 3, 1, 2):  # 2 was removed when 3 came
            await ask(recent, views, dataset, samples=5, seed=seed)
        assert [job.keys[0].seed for job in views.jobs] == [1, 2, 3, 2]

    asyncio.run(twice())


def test_equal_requests_at_the_same_time_share_one_computation_also_if_one_leaves(dataset: Dataset) -> None:
    async def at_once() -> None:
        recent, views = RecentStatistics(), Surveys(dataset)
        requests = [
            ask(recent, views, dataset, samples=5),
            ask(recent, views, dataset, samples=5),
            ask(recent, views, dataset, disconnected, samples=5),
        ]
        first, other, gone = await asyncio.gather(*requests, return_exceptions=True)
        assert first is other
        assert isinstance(gone, ClientDisconnectedError)
        assert await ask(recent, views, dataset, samples=5) is first
        assert len(views.jobs) == 1

    asyncio.run(at_once())


def test_statistics_are_computed_for_few_requests_at_a_time(dataset: Dataset) -> None:
    async def at_once() -> None:
        recent, views = RecentStatistics(), Surveys(dataset)
        await asyncio.gather(*(ask(recent, views, dataset, samples=2, seed=seed) for seed in range(9)))
        assert views.most_at_once <= COMPUTED_AT_ONCE
        assert len(views.jobs) == 9

    asyncio.run(at_once())


def test_a_survey_that_cannot_be_made_ends_the_others(dataset: Dataset) -> None:
    def fail(number: int) -> Any:
        if number == 3:
            raise ServiceError("worker", "a worker failed")
        return asyncio.Event().wait()

    async def fails() -> None:
        views = Surveys(dataset, fail)
        with pytest.raises(ServiceError, match="a worker failed"):
            await ask(RecentStatistics(), views, dataset, samples=6 * KEYS_AT_ONCE)
        await asyncio.sleep(0)
        assert views.ended == len(views.jobs)

    asyncio.run(asyncio.wait_for(fails(), 60))


def test_surveys_are_given_up_when_the_client_disconnects(dataset: Dataset) -> None:
    async def leaves() -> None:
        views = Surveys(dataset, lambda _: asyncio.Event().wait())
        with pytest.raises(ClientDisconnectedError):
            await ask(RecentStatistics(), views, dataset, disconnected, samples=3 * KEYS_AT_ONCE)
        await asyncio.sleep(0)
        assert views.ended == len(views.jobs)

    asyncio.run(asyncio.wait_for(leaves(), 60))
