"""The request log: one line per request with its id, which also marks every other line logged for the request."""

import contextvars
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.disconnect import CLIENT_DISCONNECTED, ClientDisconnectedError, send_or_disconnect
from service.metrics import Metrics

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

log = logging.getLogger("saccade_sampler.requests")

HEADER = b"x-request-id"
SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
"""A client's own id is used if it matches; any other could forge log lines."""

QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Requested every few seconds by monitoring, so logged at debug level."""

FORMAT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"


class RequestLog:
    """ASGI middleware: gives each request an id, counts it, and logs it at the end of its response."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = _Entry(_request_id(scope), lambda: self._write(scope, entry))
        token = request_id.set(entry.request_id)
        try:
            await self._app(scope, receive, entry.watch(send))
        except (ClientDisconnectedError, ClientDisconnect) as error:
            log.debug("the client disconnected: %s", error)
        finally:
            entry.end()
            request_id.reset(token)

    def _write(self, scope: Scope, entry: "_Entry") -> None:
        seconds = time.perf_counter() - entry.begun
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(route, str(entry.status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        self._metrics.bytes.inc(entry.sent)
        query = scope["query_string"].decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        log.log(
            logging.DEBUG if route in QUIET_ROUTES else logging.INFO,
            "%s %s %s %d %d bytes %.1f ms %s",
            (scope.get("client") or ("-",))[0], scope["method"], printable(target), entry.status, entry.sent,
            seconds * 1000, scope.get("state", {}).get("outcome", "complete" if entry.complete else "broken off"),
        )  # fmt: skip


class _Entry:
    """A request and its response so far; `write` logs it."""

    def __init__(self, request_id: str, write: Callable[[], None]) -> None:
        self._unwritten: Callable[[], None] | None = write
        self.begun = time.perf_counter()
        self.request_id = request_id
        self.status = CLIENT_DISCONNECTED
        self.sent = 0
        self.complete = False

    def end(self) -> None:
        """Write the line, once."""
        write, self._unwritten = self._unwritten, None
        if write is not None:
            write()

    def watch(self, send: Send) -> Send:
        """Return a `send` that also notes what is sent."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, self.request_id.encode())]
            if message["type"] == "http.response.body":
                self.sent += len(message.get("body", b""))
                self.complete = not message.get("more_body", False)
            if self.complete:
                self.end()  # before the last byte is sent: a client that has the whole response finds its line
            await send_or_disconnect(send, message)

        return watched


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
    return given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex[:12]


def printable(text: str, longest: int = 400) -> str:
    """Return `text` with control characters escaped, cut to `longest` characters."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= longest else escaped[:longest] + "…"


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Drop uvicorn's error about responses that are incomplete on purpose; the request's own line says why."""
    return "returned without completing response" not in record.getMessage()


def configure(level: str) -> None:
    """Set up the loggers of a server process, and replace uvicorn's access log."""
    logger = logging.getLogger("saccade_sampler")
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        handler.addFilter(_add_request_id)
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)
