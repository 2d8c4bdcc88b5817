"""The length of a shared batch is known only while all of its runs are made, also if some are made again."""

import asyncio
from collections.abc import Hashable
from typing import Any, cast

import numpy as np

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header
from service.arena import Arena, Slab
from service.batches.body import BatchBody
from service.batches.cache import BatchCache
from service.batches.plan import Planner
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.metrics import Metrics
from service.shutdown import Shutdown
from service.workers.pool import WorkerPool
from service.workers.protocol import Job, RunResult

BATCH = Batch(Header("d", "compact", True, 2, 0), (SampleKey(1, 0, 0), SampleKey(1, 0, 1)))
"""Two samples, which two workers make as two runs."""

MESSAGE_BYTES = 100


class ManualPool:
    """A pool whose jobs a test does itself."""

    size = 2

    def __init__(self) -> None:
        self.replies: list[asyncio.Future[bytes]] = []

    def submit(self, job: Job, owner: Hashable, slab: Slab) -> "asyncio.Future[bytes]":  # noqa: ARG002 - not needed
        self.replies.append(asyncio.get_running_loop().create_future())
        return self.replies[-1]

    async def make(self, number: int, problem: dict[str, Any] | None = None) -> None:
        """Reply to a job, by the order of submission, and let all that wait for it proceed."""
        result = RunResult(() if problem else (MESSAGE_BYTES,), problem)
        self.replies[number].set_result(result.encode())
        for _ in range(5):
            await asyncio.sleep(0)


class Scene:
    """Responses with one batch cache, which caches nothing."""

    def __init__(self) -> None:
        self.pool = ManualPool()
        arena = Arena(1 << 28)
        planner = Planner(preset("cornernet"), 80, np.array([0, 1, 2]), self.pool.size)
        self.cache = BatchCache(cast(WorkerPool, self.pool), arena, planner, 0)
        self._metrics, self._shutdown = Metrics(), Shutdown(1.0)

    def response(self) -> tuple[BatchBody, Prefetch]:
        prefetch = Prefetch(self.cache, [BATCH], 1, 10.0)
        return BatchBody(prefetch, self._metrics, self._shutdown), prefetch


async def write(piece: bytes | memoryview) -> None:
    """Send nothing anywhere."""


def test_a_batch_whose_first_run_is_made_again_has_no_known_length_yet() -> None:
    async def scene() -> None:
        server = Scene()
        first, _ = server.response()
        sending = asyncio.create_task(first.send(write))
        await asyncio.sleep(0)
        await server.pool.make(0)  # its first run is sent and, because nothing is cached, removed
        late, late_prefetch = server.response()
        late_sending = asyncio.create_task(late.send(write))
        await asyncio.sleep(0)
        await server.pool.make(1)
        await sending
        latest, latest_prefetch = server.response()
        assert latest.length() is None  # the second run is made, the trailer is known, but the first run is not made
        latest_prefetch.close()
        await server.pool.make(2)
        await late_sending
        late_prefetch.close()
        assert len(server.pool.replies) == 3

    asyncio.run(scene())


def test_a_batch_that_failed_when_it_was_made_again_has_no_known_length() -> None:
    async def scene() -> None:
        server = Scene()
        first, _ = server.response()
        sending = asyncio.create_task(first.send(write))
        await asyncio.sleep(0)
        await server.pool.make(0)
        _, late_prefetch = server.response()
        late_run = asyncio.create_task(late_prefetch.next_run())
        await asyncio.sleep(0)
        await server.pool.make(1)
        await sending
        await server.pool.make(2, {"type": "image", "status": 500, "detail": "the file has disappeared"})
        await late_run
        latest, latest_prefetch = server.response()
        assert latest.length() is None
        latest_prefetch.close()
        late_prefetch.close()

    asyncio.run(scene())
