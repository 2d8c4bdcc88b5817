"""Headers of every response that forbid browsers to guess its type, and other sites to use it."""

from starlette.types import Message, Scope, Send

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


CLOSE = (b"connection", b"close")


def with_headers(scope: Scope, send: Send) -> Send:
    """Return the `send` of a response, changed so that it adds `HEADERS`.

    A connection whose client asks for another protocol is closed after the response: uvicorn would take the body of the
    request for the next request.
    """
    upgrade = any(name == b"upgrade" for name, _ in scope["headers"])
    added = (*HEADERS, CLOSE) if upgrade else HEADERS

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return send_more
