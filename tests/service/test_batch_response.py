"""The length of a shared batch is known only while all of its runs are made, also if some are made again."""

import asyncio
from typing import cast

import numpy as np
from starlette.types import Message

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.activity.streams import StreamFacts
from service.arena import Arena
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.batches.plan import Planner
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.bodies import Bodies, BodyLimits
from service.lifespan.state import ServedDataset, Serving
from service.metrics import Metrics
from service.reading import ReadLimits
from service.routes.batch_response import BatchResponse
from service.shutdown import Shutdown
from service.views.views import Views
from service.workers.pool import WorkerPool
from tests.support.manual_pool import ManualPool, settle

BATCH = Batch(Header("d", "compact", True, 2, 0), (SampleKey(1, 0, 0), SampleKey(1, 0, 1)))
"""Two samples, which two workers make as two runs."""

MESSAGE_BYTES = 100
FACTS = StreamFacts("demo", "compact", 1)
READING = ReadLimits(pause_seconds=10.0, min_rate=1e6)


class Scene:
    """Responses with one batch cache, which caches nothing."""

    def __init__(self) -> None:
        self.pool = ManualPool(MESSAGE_BYTES)
        planner = Planner(preset("cornernet"), 80, np.array([0, 1, 2]), self.pool.size)
        pool, shutdown = cast(WorkerPool, self.pool), Shutdown(1.0)
        self.cache = BatchCache(pool, Arena(1 << 28), [planner], 0)
        served = ServedDataset(0, "", cast(ServiceSpec, None))
        admission = Admission(8, 1, shutdown)
        bodies = Bodies(BodyLimits(1024, 1.0, 1e6, 1.0, 1), admission)
        views = Views(pool, shutdown)
        self._serving = Serving((served,), pool, self.cache, admission, shutdown, Metrics(), 1, READING, bodies, views)

    async def respond(self) -> "tuple[asyncio.Task[None], list[str]]":
        """Begin a response; return its task and the names of its headers."""
        names: list[str] = []

        async def send(message: Message) -> None:
            names.extend(name.decode() for name, _ in message.get("headers", ()))

        async def receive() -> Message:
            await asyncio.Event().wait()
            return {}

        task = asyncio.create_task(BatchResponse(self._serving, [BATCH], {}, FACTS)({}, receive, send))
        await settle()
        return task, names


def test_a_batch_whose_first_run_is_made_again_has_no_known_length_yet() -> None:
    async def scene() -> None:
        server = Scene()
        first, _ = await server.respond()
        await server.pool.make(0)  # its first run is sent and, because nothing is cached, removed
        late, _ = await server.respond()
        await server.pool.make(1)
        await first
        latest, names = await server.respond()
        assert names == ["content-type"]  # the second run is made, the trailer is known, but the first run is not made
        await server.pool.make(2)
        await asyncio.gather(late, latest)
        assert len(server.pool.replies) == 3

    asyncio.run(scene())


def test_a_batch_that_failed_when_it_was_made_again_has_no_known_length() -> None:
    async def scene() -> None:
        server = Scene()
        first, _ = await server.respond()
        await server.pool.make(0)
        late = Prefetch(server.cache, [BATCH], 1)
        late_run = asyncio.create_task(late.next_run())
        await settle()
        await server.pool.make(1)
        await first
        await server.pool.make(2, {"type": "image", "status": 500, "detail": "the file has disappeared"})
        await late_run
        latest, names = await server.respond()
        assert names == ["content-type"]
        await latest
        late.close()

    asyncio.run(scene())
