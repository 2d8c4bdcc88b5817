"""Detecting that a client has disconnected."""

import asyncio
from typing import TypeVar

from starlette.types import Message, Receive, Send

T = TypeVar("T")

CLIENT_DISCONNECTED = 499
"""Status in the log of a client that disconnected before a response; proxies log the same."""


class ClientDisconnectedError(Exception):
    """The client has disconnected, so nobody reads the response."""


async def until_disconnect(work: "asyncio.Future[T]", receive: Receive) -> T:
    """Return the result of `work`. Raises `ClientDisconnectedError` if the client disconnected first.

    When this returns or raises, `work` is done or cancelled.
    """
    disconnect = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait((work, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnectedError("before the response was complete")
        return work.result()
    finally:
        work.cancel()
        disconnect.cancel()
        await asyncio.gather(work, disconnect, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # the rest of the request's body is ignored


async def send_or_disconnect(send: Send, message: Message) -> None:
    """Send a message. Raises `ClientDisconnectedError` if the connection turns out to be closed."""
    try:
        await send(message)
    except RuntimeError as error:
        # uvloop raises for a connection that closed a moment ago, before anyone was notified; and if the client had
        # already sent its next request, uvicorn notifies nobody at all.
        if "closed" not in str(error):
            raise
        raise ClientDisconnectedError(str(error)) from error
