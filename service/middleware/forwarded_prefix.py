"""The path under which a proxy serves the server, as the proxy says in X-Forwarded-Prefix."""

import logging
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sampler.printable import printable
from service.access.paths import below, prefix_of, root_of
from service.connection import Connection

log = logging.getLogger("saccade_sampler")

HEADER = b"x-forwarded-prefix"
VARIABLE = "FORWARDED_ALLOW_IPS"
"""uvicorn's variable with the addresses of proxies, from which it takes X-Forwarded-For and -Proto, too."""

_SHOWN = 100
"""Characters of an invalid header that are logged."""


class TrustedProxies:
    """The proxies whose X-Forwarded-Prefix counts."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """environment: variables of the process; without `VARIABLE`, a proxy on this host is trusted."""
        self._rule = ProxyHeadersMiddleware(_no_app, environment.get(VARIABLE, "127.0.0.1"))
        self._reported = False

    def prefix(self, scope: Scope) -> str:
        """Return the prefix of a request; "" without the header, from others, and if it is invalid or repeated."""
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == HEADER]
        if not values or Connection.of(scope).peer() not in self._rule.trusted_hosts:
            return ""
        try:
            return prefix_of(", ".join(values))
        except ValueError as error:
            self._report(", ".join(values), error)
            return ""

    def _report(self, value: str, error: ValueError) -> None:
        """Log an invalid header once: the proxy may pass on what any client sends."""
        if not self._reported:
            self._reported = True
            log.warning(
                "ignored the proxy's X-Forwarded-Prefix %r: %s; let the proxy set it, whatever its clients send",
                printable(value)[:_SHOWN], error,
            )  # fmt: skip


class ForwardedPrefix:
    """ASGI middleware: puts requests below the path under which a trusted proxy serves them.

    A path that the server was started with (`--root-path`) wins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] == "http" and not root_of(scope):
            proxies: TrustedProxies | None = scope["app"].state.proxies
            if proxies is not None and (prefix := proxies.prefix(scope)):
                scope = below(scope, prefix)
        await self._app(scope, receive, send)


async def _no_app(*_: object) -> None:
    """Take the place of an app in uvicorn's middleware, of which only the rule is used."""
