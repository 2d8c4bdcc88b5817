"""Noticing that a client has left."""

from starlette.types import Message, Receive, Send

CLIENT_LEFT = 499
"""For the log: what a proxy writes for a client that left before an answer."""


class ClientLeftError(Exception):
    """The client has left; there is nobody to answer."""


async def departure(receive: Receive) -> None:
    """Return when the client has left; what it still sends is of no interest."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_on(send: Send, message: Message) -> None:
    """Send a message. Raises `ClientLeftError` when the connection turns out to be broken."""
    try:
        await send(message)
    except RuntimeError as error:
        # uvloop raises for a connection that broke a moment ago, which nobody has been told yet; and where the client
        # had sent its next request ahead, uvicorn tells nobody at all.
        if "closed" not in str(error):
            raise
        raise ClientLeftError(str(error)) from error
