"""The request log: one line per request with its id, which also marks every other line logged for the request."""

import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.paths import route_path
from service.access.policy import AccessPolicy
from service.access.urls import loggable
from service.connection import Connection, client_address
from service.contract.methods import Endpoints
from service.disconnect import CLIENT_DISCONNECTED, ClientDisconnectedError
from service.log_lines import MAX_ADDRESS, fields, one_word, request_id
from service.middleware.guard import TRUSTED

log = logging.getLogger("saccade_sampler.requests")

HEADER = b"x-request-id"
SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
"""A client's own id is used if it matches; any other could forge log lines."""

QUIET_ROUTES = frozenset(
    {"/healthz", "/readyz", "/metrics", "/status.json", "/assets/{version}/{name:path}", "/favicon.ico"}
)
"""Requested every few seconds by monitoring, or several times by every page, so logged at debug level."""

MAX_TARGET = 400
"""Most characters in the log of path and query."""


class RequestLog:
    """ASGI middleware: gives each request an id, and logs it at the end of its response."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        entry = _Entry(scope, self._endpoints.name(route_path(scope)))
        scope["state"]["request_id"] = entry.request_id  # for a page about an error that no route has handled
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

    def __init__(self, scope: Scope, route: str) -> None:
        """route: its name, as in the metrics."""
        given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        self.request_id = given if SAFE_ID.fullmatch(given) else uuid.uuid4().hex[:12]
        self._scope = scope
        self._route = route
        self._connection = Connection.of(scope)
        self._begun = time.perf_counter()
        self._status = CLIENT_DISCONNECTED
        self._sent = 0
        self._complete = False
        self._written = False

    def end(self) -> None:
        """Log the request, once."""
        if self._written:
            return
        self._written = True
        scope, seconds = self._scope, time.perf_counter() - self._begun
        client, method = one_word(client_address(scope), MAX_ADDRESS), one_word(scope["method"], MAX_ADDRESS)
        target, outcome = one_word(_target(scope), MAX_TARGET), self._outcome(scope["state"])
        pauses = scope["state"].get("pauses", 0)
        paused = f", paused {pauses} {'time' if pauses == 1 else 'times'}" if pauses else ""
        log.log(
            logging.DEBUG if self._is_quiet() else logging.INFO,
            "%s %s %s %d %d bytes %.1f ms %s%s",
            client, method, target, self._status, self._sent, seconds * 1000, outcome, paused,
            extra=fields(
                client=client, method=method, target=target, route=self._route, status=self._status, bytes=self._sent,
                seconds=round(seconds, 6), outcome=outcome, pauses=pauses,
            ),
        )  # fmt: skip

    def _is_quiet(self) -> bool:
        """Return whether the request is one of many, and was not refused before its route."""
        return self._route in QUIET_ROUTES and "route" in self._scope

    def _outcome(self, state: Mapping[str, Any]) -> str:
        return str(state.get("outcome", "complete" if self._complete else "incomplete"))

    def watch(self, send: Send) -> Send:
        """Return a `send` that also notes what is sent. It raises `ClientDisconnectedError` on a closed connection."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                message["headers"] = [*message.get("headers", []), (HEADER, self.request_id.encode())]
            if message["type"] == "http.response.body":
                if self._connection.is_closed():
                    raise ClientDisconnectedError("before the response was complete")
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
    target = f"{scope['path']}?{query}" if query else str(scope["path"])
    policy: AccessPolicy = scope["app"].state.access
    return loggable(target, policy.credentials, trusted=scope["state"].get(TRUSTED, False))
