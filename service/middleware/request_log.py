"""One line a request, with its id, and the same id in every line that is logged on its behalf."""

import contextvars
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.batches.disconnect import CLIENT_LEFT, ClientLeftError, send_on
from service.metrics import Metrics

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

log = logging.getLogger("saccade_sampler.requests")

HEADER = b"x-request-id"
SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
"""An id that a caller gives is kept if it cannot disturb a log."""

QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: logged at debug level."""

FORMAT = "%(asctime)s %(levelname)-7s [%(request_id)s] %(name)s: %(message)s"


class RequestLog:
    """ASGI middleware: gives each request an id, counts it and logs it when its response has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; other than HTTP as it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _identity(scope)
        token = request_id.set(identity)
        entry = _Entry(identity, lambda: self._write(scope, entry))
        try:
            await self._app(scope, receive, entry.sender(send))
        except (ClientLeftError, ClientDisconnect) as error:
            log.debug("the client left: %s", error)
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
    """What is known of a response so far."""

    def __init__(self, identity: str, write: Callable[[], None]) -> None:
        self._end: Callable[[], None] | None = write
        self.begun = time.perf_counter()
        self.identity = identity
        self.status = CLIENT_LEFT
        self.sent = 0
        self.complete = False

    def end(self) -> None:
        """Write the line, once."""
        write, self._end = self._end, None
        if write is not None:
            write()

    def sender(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, self.identity.encode())]
            if message["type"] == "http.response.body":
                self.sent += len(message.get("body", b""))
                self.complete = not message.get("more_body", False)
            if self.complete:
                self.end()  # before the last byte leaves: who has all of an answer finds its line
            await send_on(send, message)

        return watched


def _identity(scope: Scope) -> str:
    given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
    return given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex[:12]


def printable(text: str, longest: int = 400) -> str:
    """Return `text` with control characters escaped and cut to `longest` characters."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= longest else escaped[:longest] + "…"


class _WithRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def _not_deliberate(record: logging.LogRecord) -> bool:
    """Leave out uvicorn's word on responses broken off on purpose; the request's own line says why."""
    return "returned without completing response" not in record.getMessage()


def configure(level: str) -> None:
    """Set up this program's loggers for a server process, and take over from uvicorn's line a request."""
    logger = logging.getLogger("saccade_sampler")
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        handler.addFilter(_WithRequestId())
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(_not_deliberate)
