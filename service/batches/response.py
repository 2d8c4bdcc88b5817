"""The HTTP response that carries batches: admitted or refused, sent as made, given up when the client leaves."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sampler.wire.messages import MEDIA_TYPE
from service.batches.admission import Gate
from service.batches.body import BatchBody, SampleFailedError
from service.batches.disconnect import ClientLeftError, Patience, departure
from service.errors.problems import problem
from service.errors.responses import respond
from service.metrics import Metrics
from service.shutdown import Shutdown

log = logging.getLogger("saccade_sampler.batches")


class Admission:
    """Who gets in: a bounded number of responses at once, none when the server is to end."""

    def __init__(self, gate: Gate, shutdown: Shutdown, retry_after: int) -> None:
        """retry_after: seconds that a refused client is asked to wait."""
        self._gate = gate
        self._shutdown = shutdown
        self._retry_after = {"retry-after": str(retry_after)}

    def refusal(self) -> Response | None:
        """Take a place and return None, or return the 503 that says why there is none."""
        if self._shutdown.begun:
            return respond(
                problem("shutting-down", "the server is about to end; ask another or later"), self._retry_after
            )
        if not self._gate.enter():
            detail = f"{self._gate.places} requests are being served, which is the limit; ask again later"
            return respond(problem("overloaded", detail), self._retry_after)
        return None

    def leave(self) -> None:
        """Give the place back."""
        self._gate.leave()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all responses share while they are sent.

    stall_seconds: time in which a client must take the next piece.
    """

    shutdown: Shutdown
    metrics: Metrics
    stall_seconds: float


class BatchResponse(Response):
    """Streams messages; a batch that is made already goes with its length.

    When a sample fails, the connection is broken off after the message that says so: the response stays incomplete,
    so that no cache on the way keeps it.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        body: Callable[[], BatchBody],
        admission: Admission,
        delivery: Delivery,
        headers: Mapping[str, str],
        *,
        endless: bool = False,
    ) -> None:
        """`body` is called once the response is admitted. endless: of more than one batch, perhaps."""
        self.status_code = 200
        self.background = None
        self.body = b""
        self._open = body
        self._endless = endless
        self._admission = admission
        self._delivery = delivery
        self.init_headers(headers)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, or the refusal."""
        refusal = self._admission.refusal()
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            outcome = await self._serve(receive, send)
        finally:
            self._admission.leave()
        scope.setdefault("state", {})["outcome"] = outcome
        self._delivery.metrics.outcomes.labels(outcome).inc()

    async def _serve(self, receive: Receive, send: Send) -> str:
        patience = Patience(self._delivery.stall_seconds)
        body = asyncio.create_task(self._send_all(send, patience))
        patience.watch(body)
        self._delivery.shutdown.watch(body)
        leaving = asyncio.create_task(departure(receive))
        try:
            await asyncio.wait([body, leaving], return_when=asyncio.FIRST_COMPLETED)
            return "stalled" if patience.lost else await _outcome(body)
        finally:
            patience.close()
            body.cancel()
            leaving.cancel()
            await asyncio.gather(body, leaving, return_exceptions=True)

    async def _send_all(self, send: Send, patience: Patience) -> None:
        body = self._open()
        try:
            length = None if self._endless else body.whole_length()
            announced = [] if length is None else [(b"content-length", str(length).encode())]
            headers = [*self.raw_headers, *announced]
            await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
            async with aclosing(body.pieces()) as pieces:
                async for piece in pieces:
                    length = None if length is None else length - len(piece)
                    with patience:
                        await send({"type": "http.response.body", "body": piece, "more_body": length != 0})
                    del piece  # its memory may be what the next one needs
        finally:
            body.close()
        if length != 0:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _outcome(body: "asyncio.Task[None]") -> str:
    if not body.done():
        return "abandoned"
    try:
        await body
    except SampleFailedError as error:
        log.warning("a sample could not be made: %s", error)
        return "failed"
    except asyncio.CancelledError:
        return "cut"
    except TimeoutError:
        return "stalled"
    except ClientLeftError:
        return "abandoned"
    return "complete"
