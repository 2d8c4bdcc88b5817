"""Headers of every response that forbid browsers to guess its type, and other sites to use it."""

from starlette.types import Message, Send

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def with_headers(send: Send) -> Send:
    """Return the `send` of a response, changed so that it adds `HEADERS`."""

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return send_more
