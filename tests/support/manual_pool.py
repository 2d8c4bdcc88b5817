"""A pool whose jobs a test does itself."""

import asyncio
from collections.abc import Hashable
from typing import Any

import numpy as np

from service.arena import Slab
from service.workers.protocol import Job, RunJob, RunResult


class ManualPool:
    """Takes jobs and does each when the test says so.

    Attributes:
        replies: The replies to all jobs so far, in order.
    """

    size = 2

    def __init__(self, message_bytes: int) -> None:
        self.replies: list[asyncio.Future[bytes]] = []
        self._message_bytes = message_bytes
        self._jobs: dict[int, tuple[RunJob, Slab]] = {}

    def submit(self, job: Job, owner: Hashable, slab: Slab) -> "asyncio.Future[bytes]":  # noqa: ARG002 - not needed
        assert isinstance(job, RunJob)
        self._jobs[len(self.replies)] = (job, slab)
        self.replies.append(asyncio.get_running_loop().create_future())
        return self.replies[-1]

    def abandon(self, reply: "asyncio.Future[bytes]") -> bool:
        return reply.cancel()

    def message(self, index: int) -> bytes:
        """The message of a sample: a pure function of its index."""
        return np.random.default_rng(index).bytes(self._message_bytes)

    async def make(self, number: int, problem: dict[str, Any] | None = None) -> None:
        """Do a job, by the order of submission, and let all that wait for it proceed. problem: of its first sample."""
        job, slab = self._jobs.pop(number)
        keys = () if problem else job.keys
        messages = b"".join(self.message(key.index) for key in keys)
        slab.view(0, len(messages))[:] = messages
        self.replies[number].set_result(RunResult((self._message_bytes,) * len(keys), problem).encode())
        await settle()

    async def make_all(self) -> None:
        """Do all jobs that are waited for, also those that are submitted meanwhile."""
        await settle()
        number = 0
        while number < len(self.replies):
            if not self.replies[number].done():
                await self.make(number)
            number += 1


async def settle() -> None:
    """Let all tasks proceed as far as they can."""
    for _ in range(12):
        await asyncio.sleep(0)
