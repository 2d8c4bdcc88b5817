"""The statistics of a page: surveys made by workers, put together in the server, and cached."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from starlette.types import Message, Receive

from sampler.stream.keys import SampleKey
from sampler.survey.sampling import KEYS_AT_ONCE, survey_keys
from sampler.survey.statistics import Statistics, survey_statistics
from sampler.survey.survey import Survey
from sampler.wire.spec import ServiceSpec
from service.views.shared_work import SharedWork
from service.views.views import Views
from service.workers.protocol import ViewJob

COMPUTED_AT_ONCE = 2
"""Most statistics that are computed at once; the others wait without taking memory."""

JOBS_AT_ONCE = 8
"""Jobs of one page that wait for a worker, so that other pages get in between, too."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The samples of statistics.

    Attributes:
        dataset: Number of their dataset.
        seed: Of their keys.
        epoch: Of their keys.
        samples: How many, the first of the epoch.
        augment: False for the fixed recipe.
    """

    dataset: int
    seed: int
    epoch: int
    samples: int
    augment: bool


class RecentStatistics:
    """A cache of the most recently requested statistics, each computed once. An entry has some ten kilobytes."""

    def __init__(self, capacity: int = 64) -> None:
        """capacity: most entries."""
        self._capacity = capacity
        self._entries: OrderedDict[Surveyed, Statistics] = OrderedDict()
        self._making: SharedWork[Statistics] = SharedWork()
        self._gate = asyncio.Semaphore(COMPUTED_AT_ONCE)

    async def get(self, views: Views, spec: ServiceSpec, wanted: Surveyed, receive: Receive) -> Statistics:
        """Return the statistics of samples, computed unless they are cached.

        Args:
            views: Makes the surveys.
            spec: Of the dataset.
            wanted: The samples.
            receive: Of the request, which is given up if its client disconnects.

        Raises:
            InvalidRequestError: There are no such samples.
            ServiceError: A survey cannot be made.
            ClientDisconnectedError: The client has disconnected.
        """
        found = self._entries.get(wanted)
        if found is None:
            return await self._making.join(wanted, lambda: self._begin(views, spec, wanted), receive)
        self._entries.move_to_end(wanted)
        return found

    def _begin(self, views: Views, spec: ServiceSpec, wanted: Surveyed) -> "asyncio.Task[Statistics]":
        computing = asyncio.create_task(self._compute(views, spec, wanted))
        computing.add_done_callback(partial(self._cache, wanted))
        return computing

    async def _compute(self, views: Views, spec: ServiceSpec, wanted: Surveyed) -> Statistics:
        async with self._gate:
            # In a thread, so that streams go on meanwhile.
            keys = await asyncio.to_thread(survey_keys, spec.size, wanted.seed, wanted.epoch, wanted.samples)
            return await _statistics_of(views, wanted.dataset, spec, keys, wanted.augment)

    def _cache(self, wanted: Surveyed, computing: "asyncio.Task[Statistics]") -> None:
        if computing.cancelled() or computing.exception() is not None:
            return
        self._entries[wanted] = computing.result()
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


async def _statistics_of(
    views: Views, dataset: int, spec: ServiceSpec, keys: list[SampleKey], augment: bool
) -> Statistics:
    gate = asyncio.Semaphore(JOBS_AT_ONCE)

    async def surveyed(some: list[SampleKey]) -> Survey:
        async with gate:
            return Survey.from_bytes(await views.get(ViewJob("survey", dataset, tuple(some), augment), _connected))

    parts = [keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE)]
    tasks = [asyncio.create_task(surveyed(part)) for part in parts]
    try:
        surveys = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()  # does nothing if it is done
    # In a thread, so that streams go on meanwhile.
    return await asyncio.to_thread(
        lambda: survey_statistics(Survey.joined(surveys), spec.config, spec.category_names, augment)
    )


async def _connected() -> Message:
    """Wait for messages of a client that sends none: `RecentStatistics.get` looks for its disconnect."""
    silence: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await silence
