"""Conditional requests: whether the client has the response already."""

from fastapi import Request


def is_known(request: Request, etag: str) -> bool:
    """Return whether a request says, in If-None-Match, that its client has the response with an entity tag."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or "*" in tags
