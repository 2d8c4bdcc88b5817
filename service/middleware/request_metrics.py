"""The metrics of requests: begun, ended, and the bytes of their responses as these are sent."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.paths import route_path
from service.contract.methods import Endpoints
from service.disconnect import CLIENT_DISCONNECTED
from service.metrics import Metrics

FAILED = 500


class RequestMetrics:
    """ASGI middleware: counts each request under the name of its route, also if it is refused or finds none."""

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: Endpoints) -> None:
        self._app = app
        self._metrics = metrics
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(self._metrics, self._endpoints.name(route_path(scope)))

        async def counted(message: Message) -> None:
            request.count(message)  # before it is sent: a client that has the whole response finds it counted
            await send(message)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            request.fail()
            raise
        finally:
            request.end()


class _Request:
    """A request and its response so far."""

    def __init__(self, metrics: Metrics, route: str) -> None:
        self._metrics = metrics
        self._labels = (route,)
        self._begun = time.perf_counter()
        self._status: int | None = None
        self._ended = False
        metrics.requests_started.add(self._labels)
        metrics.open_requests.add(self._labels)

    def count(self, message: Message) -> None:
        """Count a part of the response."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            return
        if size := len(message.get("body", b"")):
            self._metrics.sent_bytes.add(self._labels, size)
        if not message.get("more_body", False):
            self.end()

    def fail(self) -> None:
        """Note that the response is that of an unexpected error, unless another has begun."""
        self._status = self._status or FAILED

    def end(self) -> None:
        """Count the request as ended, once."""
        if self._ended:
            return
        self._ended = True
        [route] = self._labels
        self._metrics.open_requests.add(self._labels, -1)
        self._metrics.requests.add((route, str(self._status or CLIENT_DISCONNECTED)))
        self._metrics.request_seconds.of(self._labels).observe(time.perf_counter() - self._begun)
