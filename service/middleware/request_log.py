"""The request log: one line per request with its id, which also marks every other line logged for the request."""

import contextvars
import logging
import re
import time
import uuid

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sampler.printable import printable
from service.access.urls import HIDDEN, without_tokens
from service.disconnect import ClientDisconnectedError
from service.metrics import Metrics

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

log = logging.getLogger("saccade_sampler.requests")

CLIENT_DISCONNECTED = 499
"""Status in the log of a client that disconnected before a response; proxies log the same."""

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
        entry = _Entry(scope, self._metrics)
        token = request_id.set(entry.request_id)
        try:
            await self._app(scope, receive, entry.watch(send))
        except (ClientDisconnectedError, ClientDisconnect) as error:
            log.debug("the client disconnected: %s", error)
        finally:
            entry.end()
            request_id.reset(token)


class _Entry:
    """A request and its response so far."""

    def __init__(self, scope: Scope, metrics: Metrics) -> None:
        given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        self.request_id = given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex[:12]
        self._scope = scope
        self._metrics = metrics
        self._begun = time.perf_counter()
        self._status = CLIENT_DISCONNECTED
        self._sent = 0
        self._complete = False
        self._written = False

    def end(self) -> None:
        """Count and log the request, once."""
        if self._written:
            return
        self._written = True
        scope, seconds = self._scope, time.perf_counter() - self._begun
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(route, str(self._status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        self._metrics.bytes.inc(self._sent)
        log.log(
            logging.DEBUG if route in QUIET_ROUTES else logging.INFO,
            "%s %s %s %d %d bytes %.1f ms %s",
            (scope.get("client") or ("-",))[0], scope["method"], shown(_target(scope)), self._status, self._sent,
            seconds * 1000, scope.get("state", {}).get("outcome", "complete" if self._complete else "broken off"),
        )  # fmt: skip

    def watch(self, send: Send) -> Send:
        """Return a `send` that also notes what is sent. It raises `ClientDisconnectedError` on a closed connection."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, self.request_id.encode())]
            if message["type"] == "http.response.body":
                self._sent += len(message.get("body", b""))
                self._complete = not message.get("more_body", False)
            if self._complete:
                self.end()  # before the last byte is sent: a client that has the whole response finds its line
            try:
                await send(message)
            except RuntimeError as error:
                # uvloop raises for a connection that closed a moment ago, before anyone was notified; and if the
                # client had already sent its next request, uvicorn notifies nobody at all.
                if "closed" not in str(error):
                    raise
                raise ClientDisconnectedError(str(error)) from error

        return watched


def _target(scope: Scope) -> str:
    """Return path and query of a request, without tokens."""
    query = scope["query_string"].decode("latin-1")
    if not query:
        return str(scope["path"])
    return f"{scope['path']}?{without_tokens(query, scope['app'].state.access.credentials)}"


def shown(text: str, longest: int = 400) -> str:
    """Return `text` as one line, cut to `longest` characters."""
    line = printable(text)
    return line if len(line) <= longest else line[:longest] + "…"


class OneLineFormatter(logging.Formatter):
    """Makes each message one line, whatever file names and requests it quotes. Stack traces follow on lines below."""

    def __init__(self, template: str, hidden: str | None = None) -> None:
        """hidden: text that no line shows."""
        super().__init__(template)
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record)
        return lines.replace(self._hidden, HIDDEN) if self._hidden else lines

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is that of the base class
        record.message = printable(record.message)
        return super().formatMessage(record)


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Drop uvicorn's error about responses that are incomplete on purpose; the request's own line says why."""
    return "returned without completing response" not in record.getMessage()


def hide(secret: str) -> None:
    """Replace a text in every line that the loggers write from now on."""
    for handler in logging.getLogger("saccade_sampler").handlers:
        handler.setFormatter(OneLineFormatter(FORMAT, secret))


def configure(level: str) -> None:
    """Set up the loggers of a server process, and replace uvicorn's access log."""
    logger = logging.getLogger("saccade_sampler")
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(OneLineFormatter(FORMAT))
        handler.addFilter(_add_request_id)
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)
