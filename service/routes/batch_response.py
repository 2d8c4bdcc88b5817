"""The HTTP response that carries batches: messages in request order, sent as workers make them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sampler.wire.messages import MEDIA_TYPE, encode_header
from service.activity.streams import StreamFacts, StreamProgress
from service.batches.admission import Place
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.connection import Connection, client_address
from service.disconnect import ClientDisconnectedError, until_disconnect
from service.errors.problems import ServiceError
from service.lifespan.state import Serving
from service.metrics import Outcome
from service.reading import WatchedSend
from service.routes.batch_sender import BatchSender, BrokenMessageError, PausableRuns

log = logging.getLogger("saccade_sampler.batches")


class BatchResponse(Response):
    """Streams batches; a single batch that is complete already is sent with its content-length.

    When a sample fails, the connection is closed after the message that says so: the response stays incomplete, so
    that no HTTP cache keeps it.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, serving: Serving, batches: Iterable[Batch], headers: Mapping[str, str], facts: StreamFacts
    ) -> None:
        """facts: what it sends, for people."""
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(headers)
        del self.headers["content-length"]
        self._serving = serving
        self._batches = batches
        self._dataset = facts.dataset
        self._facts = facts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises `ServiceError` (503) if the request is not admitted."""
        state = scope.setdefault("state", {})
        connection = Connection.of(scope)
        connection.hold_nothing_back()
        open_stream = partial(self._serving.activity.streams.open, self._facts, client_address(scope))
        async with self._serving.admission.admit() as place:
            with open_stream(connection.sending_times) as progress:
                sending = asyncio.create_task(self._send(send, place, progress, state))
                self._serving.shutdown.watch(sending)
                try:
                    outcome = await until_disconnect(sending, receive)
                except ClientDisconnectedError:
                    outcome = "abandoned"
        if outcome == "stalled":
            connection.abort()
        state["outcome"] = outcome
        self._serving.metrics.responses.add((self._dataset, outcome))

    async def _send(self, send: Send, place: Place, progress: StreamProgress, state: dict[str, Any]) -> Outcome:
        try:
            await self._send_all(send, place, progress, state)
        except (ServiceError, BrokenMessageError) as error:
            log.warning("a sample could not be made: %s", error)
            self._serving.activity.errors.add_failure(error, progress.name)
            return "failed"
        except ClientDisconnectedError:
            return "abandoned"
        except TimeoutError:
            return "stalled"
        except asyncio.CancelledError:  # the grace time is over, or the client disconnected and the outcome is ignored
            return "cut"
        return "complete"

    async def _send_all(self, send: Send, place: Place, progress: StreamProgress, state: dict[str, Any]) -> None:
        """Send start and body. Raises like `BatchSender.send_batches`."""
        serving = self._serving
        prefetch = Prefetch(serving.cache, self._batches, serving.steps_ahead)
        endless = self._facts.is_stream
        with closing(PausableRuns(prefetch, serving.cache, progress, state)) as runs:
            waits = serving.metrics.client_wait_seconds.of((self._dataset,))
            async with WatchedSend(
                send, place, runs, serving.reading, endless=endless, on_read=waits.observe
            ) as client:
                length = None if endless else _complete_length(prefetch)
                announced = [] if length is None else [(b"content-length", str(length).encode())]
                headers = [*self.raw_headers, *announced]
                await client.send({"type": "http.response.start", "status": self.status_code, "headers": headers})
                await BatchSender(serving, prefetch, runs, client, progress, length).send_batches()


def _complete_length(prefetch: Prefetch) -> int | None:
    """Return the bytes of a response of one batch if the batch is complete, and hold it; else return None."""
    if not prefetch.begin():
        return None
    shared = prefetch.batch
    if shared.trailer is None or not shared.complete:
        return None
    prefetch.hold_complete()
    messages = sum(len(run.view()) for run in shared.runs if run is not None)
    return len(encode_header(shared.batch.header)) + messages + len(shared.trailer)
