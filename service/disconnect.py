"""Detecting that a client has disconnected."""

import asyncio
from typing import TypeVar

from starlette.types import Receive

CLIENT_DISCONNECTED = 499
"""Status, in metrics and logs, of a client that disconnected before a response; proxies log the same."""

T = TypeVar("T")


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
