"""Noticing that a client has left, or takes nothing any more."""

import asyncio

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


class Patience:
    """Ends a response whose client takes nothing for too long. One timer looks after all of its pieces."""

    def __init__(self, seconds: float) -> None:
        """seconds: how long a block of code with this as its context may take. To be closed."""
        self.lost = False
        self._seconds = seconds
        self._since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, response: "asyncio.Task[None]") -> None:
        """Cancel this task when patience is lost."""
        left = self._seconds if self._since is None else self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self.watch, response)
            return
        self.lost = True
        response.cancel()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def __enter__(self) -> None:
        """From now on the time runs."""
        self._since = self._loop.time()

    def __exit__(self, *_: object) -> None:
        """The time runs no longer."""
        self._since = None
