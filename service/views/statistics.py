"""The statistics of a page: surveys made by workers, put together in the server, and cached."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from starlette.types import Message, Receive

from sampler.stream.keys import SampleKey
from sampler.survey.sampling import survey_keys
from sampler.survey.statistics import Statistics, survey_statistics
from sampler.survey.survey import Survey
from sampler.wire.spec import ServiceSpec
from service.disconnect import until_disconnect
from service.views.views import Views
from service.workers.protocol import ViewJob

KEYS_AT_ONCE = 250
"""Samples of one job, which keeps a worker busy for 25 ms, so that training jobs get in between."""

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
    """The statistics that were asked for last. An entry has some ten kilobytes."""

    def __init__(self, capacity: int = 64) -> None:
        """capacity: most entries."""
        self._capacity = capacity
        self._entries: OrderedDict[Surveyed, Statistics] = OrderedDict()

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
            keys = survey_keys(spec.size, wanted.seed, wanted.epoch, wanted.samples)
            making = asyncio.ensure_future(_compute(views, wanted.dataset, spec, keys, wanted.augment))
            found = self._entries[wanted] = await until_disconnect(making, receive)
        self._entries.move_to_end(wanted)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return found


async def _compute(views: Views, dataset: int, spec: ServiceSpec, keys: list[SampleKey], augment: bool) -> Statistics:
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
