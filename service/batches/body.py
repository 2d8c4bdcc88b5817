"""The body of a batch response: the messages of batch after batch, in request order, as workers make them."""

import time
from collections.abc import Awaitable, Callable

from sampler.wire.messages import PayloadDigest, encode_error, encode_header, encode_trailer
from service.batches.prefetch import Prefetch
from service.batches.run import Run, SharedBatch
from service.errors.problems import ServiceError, problem_of
from service.metrics import Metrics
from service.shutdown import Shutdown

PIECE_BYTES = 1_300_000
"""Most bytes written at once; larger pieces were measured to be sent more slowly."""

Write = Callable[[bytes | memoryview], Awaitable[None]]


class SampleFailedError(Exception):
    """A sample could not be made. Its error message was sent and nothing follows it."""


class BatchBody:
    """Writes the messages of one response."""

    def __init__(self, prefetch: Prefetch, metrics: Metrics, shutdown: Shutdown) -> None:
        self._prefetch = prefetch
        self._metrics = metrics
        self._shutdown = shutdown

    def length(self) -> int | None:
        """Return the bytes of a body of one batch if the batch is complete, else None.

        A complete batch stays so until it is sent.
        """
        shared = self._prefetch.current()
        if shared is None or not self._prefetch.hold_complete() or shared.trailer is None:
            return None
        messages = sum(len(run.view()) for run in shared.runs if run is not None)
        return len(encode_header(shared.batch.header)) + messages + len(shared.trailer)

    async def send(self, write: Write) -> None:
        """Write batch after batch. On shutdown, stop at the end of a batch.

        Raises:
            SampleFailedError: a sample could not be made; the message that says so was written last.
            TimeoutError: the client does not read.
        """
        while (shared := self._prefetch.current()) is not None:
            try:
                await self._send_batch(shared, write)
            except ServiceError as error:
                self._prefetch.fail()
                await write(encode_error(problem_of(error)))
                raise SampleFailedError(str(error)) from error
            if self._shutdown.begun:
                return

    async def _send_batch(self, shared: SharedBatch, write: Write) -> None:
        header = encode_header(shared.batch.header)
        digest = PayloadDigest()
        digest.update(header)
        await write(header)
        for _ in shared.plan:
            run = await self._next_run()
            await _send_run(run, write, digest if shared.trailer is None else None)
            self._metrics.samples.labels(shared.batch.header.layout).inc(len(run.result.lengths))
            run.check()
            del run  # its memory may be what the next run needs
            self._prefetch.run_sent()
        if shared.trailer is None:
            shared.trailer = encode_trailer(shared.batch.header.count, digest.hexdigest())
        await write(shared.trailer)
        self._prefetch.batch_sent()

    async def _next_run(self) -> Run:
        begun = time.perf_counter()
        if self._shutdown.begun:
            self._prefetch.stop()
        run = await self._prefetch.next_run()
        self._metrics.sample_seconds.observe(time.perf_counter() - begun)
        return run


async def _send_run(run: Run, write: Write, digest: PayloadDigest | None) -> None:
    """Write the messages of a run. digest: updated with them, unless the trailer is known already."""
    messages = run.view()
    for start in range(0, len(messages), PIECE_BYTES):
        piece = messages[start : start + PIECE_BYTES]
        if digest is not None:
            digest.update(piece)
        await write(piece)
