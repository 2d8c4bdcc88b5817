"""The HTTP response that carries batches, sent as workers make them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sampler.wire.messages import MEDIA_TYPE
from service.batches.body import BatchBody, SampleFailedError
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.disconnect import ClientDisconnectedError, until_disconnect
from service.lifespan.state import Serving

log = logging.getLogger("saccade_sampler.batches")

Outcome = Literal["complete", "failed", "abandoned", "stalled", "cut"]
"""How a response ended: "abandoned" means that its client disconnected, "cut" that the server shut down."""


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
        except SampleFailedError as error:
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
        with closing(self._prefetch()) as prefetch:
            body = BatchBody(prefetch, self._serving.metrics, self._serving.shutdown)
            remaining = None if self._stream else body.length()
            length = [] if remaining is None else [(b"content-length", str(remaining).encode())]
            headers = [*self.raw_headers, *length]
            await send({"type": "http.response.start", "status": self.status_code, "headers": headers})

            async def write(piece: bytes | memoryview) -> None:
                nonlocal remaining
                remaining = None if remaining is None else remaining - len(piece)
                async with asyncio.timeout(self._serving.stall_seconds):
                    await send({"type": "http.response.body", "body": piece, "more_body": remaining != 0})

            await body.send(write)
        if remaining != 0:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _prefetch(self) -> Prefetch:
        serving = self._serving
        return Prefetch(serving.dataset.cache, self._batches, serving.steps_ahead, serving.stall_seconds)
