"""Paths of requests behind a proxy that serves the server under a path, such as /sampler."""

from starlette.types import Scope


def root_of(scope: Scope) -> str:
    """Return the path under which a proxy serves this server, without a slash at its end; usually ""."""
    return str(scope.get("root_path", "")).rstrip("/")


def route_path(scope: Scope) -> str:
    """Return the path of a request as routes see it, below `root_of`."""
    path: str = scope["path"]
    root = root_of(scope)
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path
