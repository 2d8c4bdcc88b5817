"""The HTTP response that carries batches: messages in request order, sent as workers make them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sampler.wire.messages import MEDIA_TYPE, encode_error, encode_header, encode_trailer
from service.batches.cache import Run, SharedBatch
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.disconnect import ClientDisconnectedError, limit_send, until_disconnect
from service.errors.problems import JobError, ServiceError, problem_of
from service.lifespan.state import Serving

log = logging.getLogger("saccade_sampler.batches")

PIECE_BYTES = 2_500_000
"""Most bytes written at once. Each write costs the server as much as copying some hundred kilobytes."""

COPY_BYTES = 650_000
"""Most bytes that are copied for a client, and that wait for it apart from the arena."""

Outcome = Literal["complete", "failed", "abandoned", "stalled", "cut"]
"""How a response ended: "abandoned" means that its client disconnected, "cut" that the server shut down."""

Write = Callable[[bytes | memoryview], Awaitable[None]]


class BatchResponse(Response):
    """Streams batches; a single batch that is complete already is sent with its content-length.

    When a sample fails, the connection is closed after the message that says so: the response stays incomplete, so
    that no HTTP cache keeps it.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, serving: Serving, batches: Iterable[Batch], headers: Mapping[str, str], *, stream: bool = False
    ) -> None:
        """stream: there may be more than one batch."""
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(headers)
        del self.headers["content-length"]
        self._serving = serving
        self._batches = batches
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises `ServiceError` (503) if the request is not admitted."""
        with self._serving.admission.admit():
            sending = asyncio.create_task(self._send(send))
            self._serving.shutdown.watch(sending)
            try:
                outcome = await until_disconnect(sending, receive)
            except ClientDisconnectedError:
                outcome = "abandoned"
        scope.setdefault("state", {})["outcome"] = outcome
        self._serving.metrics.outcomes.labels(outcome).inc()

    async def _send(self, send: Send) -> Outcome:
        try:
            await self._send_all(send)
        except ServiceError as error:
            log.warning("a sample could not be made: %s", error)
            return "failed"
        except ClientDisconnectedError:
            return "abandoned"
        except TimeoutError:
            return "stalled"
        except asyncio.CancelledError:  # the grace time is over, or the client disconnected and the outcome is ignored
            return "cut"
        return "complete"

    async def _send_all(self, send: Send) -> None:
        """Send batch after batch. On shutdown, stop at the end of a batch.

        Raises:
            ServiceError: a sample could not be made; the message that says so was sent last.
            ClientDisconnectedError: the connection is closed.
            TimeoutError: the client does not read.
        """
        serving = self._serving
        async with limit_send(send, serving.stall_seconds) as limited:
            with closing(
                Prefetch(serving.cache, self._batches, serving.steps_ahead, serving.stall_seconds)
            ) as prefetch:
                remaining = None if self._stream else _complete_length(prefetch)
                length = [] if remaining is None else [(b"content-length", str(remaining).encode())]
                headers = [*self.raw_headers, *length]
                await send({"type": "http.response.start", "status": self.status_code, "headers": headers})

                async def write(piece: bytes | memoryview) -> None:
                    nonlocal remaining
                    remaining = None if remaining is None else remaining - len(piece)
                    await limited({"type": "http.response.body", "body": piece, "more_body": remaining != 0})

                await self._send_batches(prefetch, write)
            if remaining != 0:
                await limited({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_batches(self, prefetch: Prefetch, write: Write) -> None:
        while (shared := prefetch.current()) is not None:
            try:
                await self._send_batch(shared, prefetch, write)
            except ServiceError as error:
                prefetch.fail()
                await write(encode_error(problem_of(error)))
                raise
            if self._serving.shutdown.begun:
                return

    async def _send_batch(self, shared: SharedBatch, prefetch: Prefetch, write: Write) -> None:
        header = encode_header(shared.batch.header)
        shared.digest.update(0, header)
        sent = len(header)
        await write(header)
        for _ in shared.plan:
            run = await self._next_run(prefetch)
            sent += await _send_run(run, write, sent)
            self._serving.metrics.samples.labels(shared.batch.header.layout).inc(len(run.result.lengths))
            if run.result.problem is not None:
                raise JobError(run.result.problem)
            del run  # its memory may be what the next run needs
            prefetch.run_sent()
        if shared.trailer is None:
            shared.trailer = encode_trailer(shared.batch.header.count, shared.digest.hexdigest())
        await write(shared.trailer)
        prefetch.batch_sent()

    async def _next_run(self, prefetch: Prefetch) -> Run:
        begun = time.perf_counter()
        if self._serving.shutdown.begun:
            prefetch.stop()
        run = await prefetch.next_run()
        self._serving.metrics.sample_seconds.observe(time.perf_counter() - begun)
        return run


def _complete_length(prefetch: Prefetch) -> int | None:
    """Return the bytes of a response of one batch if the batch is complete, and hold it; else return None."""
    shared = prefetch.current()
    if shared is None or shared.trailer is None or not shared.complete:
        return None
    prefetch.hold_complete()
    messages = sum(len(run.view()) for run in shared.runs if run is not None)
    return len(encode_header(shared.batch.header)) + messages + len(shared.trailer)


async def _send_run(run: Run, write: Write, start: int) -> int:
    """Write the messages of a run, whose place in the batch is `start`; return their length.

    The memory of a run is not free before the client has read it. A slab of the reserve is copied instead, because the
    next run may need it.
    """
    messages = run.view()
    size = COPY_BYTES if run.slab.reserved else PIECE_BYTES
    for place in range(0, len(messages), size):
        piece = messages[place : place + size]
        run.batch.digest.update(start + place, piece)
        await write(bytes(piece) if run.slab.reserved else piece)
    return len(messages)
