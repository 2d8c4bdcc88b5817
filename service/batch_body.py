"""The body of a batch response: samples in request order, as workers make them."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from sampler.arrays import Layout
from sampler.wire import PayloadDigest, encode_error, encode_header, encode_trailer
from service.budget import Budget
from service.jobs import Job
from service.metrics import Metrics
from service.pool import WorkerPool
from service.problems import ServiceError, problem_of
from service.selection import Batch
from service.shutdown import Shutdown

JOBS_PER_WORKER = 3
"""How far one response runs ahead, in jobs a worker: enough to keep all busy while a sample is on its way out."""


class SampleFailedError(Exception):
    """A sample could not be made; its error message has been sent and nothing follows it."""


@dataclass(frozen=True, slots=True)
class BatchMaker:
    """Makes the bytes of batches with a pool, within a budget."""

    pool: WorkerPool
    budget: Budget
    metrics: Metrics
    shutdown: Shutdown
    sample_bytes: Mapping[Layout, int]

    async def stream(self, batches: Iterable[Batch]) -> AsyncGenerator[bytes, None]:
        """Yield the messages of batch after batch. Ends before a batch when the server is to end.

        Raises `SampleFailedError` after the message that says which sample could not be made, and why.
        """
        for batch in batches:
            async with aclosing(self.batch(batch)) as messages:
                async for message in messages:
                    yield message
            if self.shutdown.begun:
                return

    async def batch(self, batch: Batch) -> AsyncGenerator[bytes, None]:
        """Yield the messages of one batch: header, samples, trailer."""
        digest = PayloadDigest()
        header = encode_header(batch.header)
        digest.update(header)
        yield header
        samples = self._in_order(batch)
        async with aclosing(samples):
            try:
                async for payload in samples:
                    digest.update(payload)
                    yield payload
                    self.metrics.samples.labels(batch.header.layout).inc()
            except ServiceError as error:
                yield encode_error(problem_of(error))
                raise SampleFailedError(str(error)) from error
        yield encode_trailer(batch.header.count, digest.hex())

    async def _in_order(self, batch: Batch) -> AsyncGenerator[bytes, None]:
        """Yield the samples' messages. One sample under way is free; each further one holds a share of the budget."""
        size = self.sample_bytes[batch.header.layout]
        jobs = (
            Job("sample", key, batch.header.augment, batch.header.layout, position)
            for position, key in enumerate(batch.keys)
        )
        under_way: deque[asyncio.Future[bytes]] = deque()
        try:
            while self._run_ahead(under_way, jobs, size):
                begun = time.perf_counter()
                payload = await under_way[0]
                self.metrics.sample_seconds.observe(time.perf_counter() - begun)
                yield payload
                under_way.popleft()
                if under_way:
                    self.budget.give(size)
        finally:
            self.budget.give(size * max(0, len(under_way) - 1))
            for answer in under_way:
                _drop(answer)

    def _run_ahead(self, under_way: "deque[asyncio.Future[bytes]]", jobs: Iterator[Job], size: int) -> bool:
        """Submit jobs as far ahead as workers and budget allow; say whether anything is under way."""
        while len(under_way) < JOBS_PER_WORKER * self.pool.size:
            lent = len(under_way) > 0
            if lent and not self.budget.take(size):
                break
            job = next(jobs, None)
            if job is None:
                self.budget.give(size if lent else 0)
                break
            under_way.append(self.pool.submit(job))
        return bool(under_way)


def _drop(answer: "asyncio.Future[bytes]") -> None:
    """Let go of an answer nobody waits for; a job that has not begun is then never made."""
    if answer.done() and not answer.cancelled():
        answer.exception()
    answer.cancel()
