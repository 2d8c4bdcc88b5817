"""Paths of requests behind a proxy that serves the server under a path, such as /sampler."""

import re

from starlette.types import Scope

_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""A path whose segments are plain names. Browsers take `//host` for another server, and leave a folder with `..`."""

_LONGEST = 200


def root_of(scope: Scope) -> str:
    """Return the path under which a proxy serves this server, without a slash at its end; usually ""."""
    return str(scope.get("root_path", "")).rstrip("/")


def route_path(scope: Scope) -> str:
    """Return the path of a request as routes see it, below `root_of`."""
    path: str = scope["path"]
    root = root_of(scope)
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def prefix_of(value: str) -> str:
    """Return the path in an X-Forwarded-Prefix header, without a slash at its end.

    The path becomes part of links, redirects and cookies. Raises ValueError if it may not.
    """
    prefix = value.removesuffix("/")
    if prefix and (len(prefix) > _LONGEST or _PREFIX.fullmatch(prefix) is None):
        raise ValueError(
            f"expected a path such as /sampler of letters, digits and ._~-, with at most {_LONGEST} characters"
        )
    return prefix


def below(scope: Scope, prefix: str) -> Scope:
    """Return the scope of a request from whose path a proxy has removed `prefix`."""
    raw = bytes(scope.get("raw_path") or b"")
    return {
        **scope, "root_path": prefix, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw if raw else raw,
    }  # fmt: skip
