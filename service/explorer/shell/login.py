"""The page on which a person gives the token of the server to a browser."""

import re

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.types import Scope

from service.access.paths import root_of, route_path
from service.explorer.shell.templates import page

HOME = "/"

_OWN_PATH = re.compile(r"/(?![/\\])[!-~]*")
"""A path of this server. Browsers take `//host` and `/\\host` for other servers, and skip tabs and line breaks."""


def own_path(path: str) -> str:
    """Return a path that was sent by a browser if it is one of this server, else that of its first page."""
    return path if _OWN_PATH.fullmatch(path) else HOME


def login_response(scope: Scope, message: str = "", destination: str | None = None) -> HTMLResponse:
    """Return the login page.

    message: what was wrong with the token that was sent.
    destination: path to go to afterwards, below the path under which a proxy serves the server; by default that of
        the request.
    """
    return page(
        Request(scope), "shell/login.html", title="Log in", status=401, message=message,
        destination=destination or _requested(scope),
    )  # fmt: skip


def _requested(scope: Scope) -> str:
    if route_path(scope) in ("/login", "/logout"):
        return HOME
    path = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1").removeprefix(root_of(scope))
    query = scope["query_string"].decode("latin-1")
    return own_path(f"{path}?{query}" if query else path)
