"""HEAD, OPTIONS and `Allow` for all endpoints."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.paths import route_path

PROBES = frozenset({"/healthz", "/readyz"})
"""Served to anyone under any name: load balancers and clusters probe addresses."""

UNMATCHED = "unmatched"
"""Name in the metrics of all paths without a route: anyone may choose any number of them."""

HEAD_ONLY = "head_only"
"""State of a request whose response has no body."""


def is_head(request: Request) -> bool:
    """Return whether only the head of the response is sent, so its body need not be made."""
    return bool(getattr(request.state, HEAD_ONLY, False))


class HeadResponse(Response):
    """The response to HEAD of an endpoint that does not know the length of its body without making it."""

    def __init__(self, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The methods of each path, and the names of their routes."""

    routes: tuple[tuple[re.Pattern[str], frozenset[str]], ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, routes: Sequence[BaseRoute]) -> "Endpoints":
        found = [one for one in routes if isinstance(one, Route)]
        return cls(
            tuple((one.path_regex, frozenset(one.methods or ())) for one in found), tuple(one.path for one in found)
        )

    def name(self, path: str) -> str:
        """Return the route of a path, such as `/explore/{index}`; `UNMATCHED` if it does not exist."""
        if path in self.names:
            return path
        matches = (name for name, (pattern, _) in zip(self.names, self.routes, strict=True) if pattern.match(path))
        return next(matches, UNMATCHED)

    def has_get(self, path: str) -> bool:
        """Return whether GET at a path needs no `Allow`: there are few paths with other methods only."""
        return not any(pattern.match(path) for pattern, methods in self.routes if "GET" not in methods) or (
            "GET" in self.methods(path)
        )

    def methods(self, path: str) -> list[str]:
        """Return all methods of a path, for `Allow`; none if it does not exist."""
        found = {name for pattern, methods in self.routes if pattern.match(path) for name in methods}
        if "GET" in found:
            found.add("HEAD")
        return sorted(found | {"OPTIONS"}) if found else []


class Methods:
    """ASGI middleware: HEAD as GET without a body, OPTIONS, and an `Allow` that has all methods of a path."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http" or (scope["method"] == "GET" and self._endpoints.has_get(route_path(scope))):
            await self._app(scope, receive, send)
            return
        allowed = self._endpoints.methods(route_path(scope))
        if scope["method"] == "OPTIONS" and allowed:
            await Response(status_code=204, headers={"allow": ", ".join(allowed)})(scope, receive, send)
        elif scope["method"] == "HEAD" and "HEAD" in allowed:
            await self._head(scope, receive, send)
        else:
            await self._app(scope, receive, _with_allow(send, allowed))

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[HEAD_ONLY] = True
        # uvicorn looks at the method in its scope, and must still find HEAD there.
        inner = {**scope, "method": "GET"}

        async def without_body(message: Message) -> None:
            scope["route"] = inner.get("route")  # for the log
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app(inner, receive, without_body)


def _with_allow(send: Send, allowed: Sequence[str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            others = [header for header in message["headers"] if header[0] != b"allow"]
            message = {**message, "headers": [*others, (b"allow", ", ".join(allowed).encode())]}
        await send(message)

    return sending
