"""Responses to HTTP/1.0, whose clients know no chunks: a body of unknown length ends with the connection."""

from typing import Any

from starlette.types import Message, Scope, Send


def without_chunks(scope: Scope, send: Send) -> Send:
    """Return the `send` of a response, changed for a client of HTTP/1.0 so that the body is not chunked.

    Args:
        scope: of the request.
        send: of uvicorn with httptools, which always sends chunks if there is no content-length. Any other is returned
            unchanged: h11 does this itself.
    """
    cycle: Any = getattr(send, "__self__", None)
    is_ours = hasattr(cycle, "chunked_encoding") and hasattr(cycle, "expected_content_length")
    if scope.get("http_version") != "1.0" or not is_ours or scope["method"] == "HEAD":
        return send
    until_close = False

    async def sending(message: Message) -> None:
        nonlocal until_close
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            until_close = b"content-length" not in names and message["status"] not in (204, 304)
            if until_close:
                cycle.chunked_encoding = False
        elif until_close:
            # uvicorn counts bytes down to 0 at the end of a body that is not chunked.
            cycle.expected_content_length = len(message.get("body", b"")) + bool(message.get("more_body", False))
        await send(message)

    return sending
