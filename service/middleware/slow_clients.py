"""Clients that send or read slowly, as far as no route deals with them.

Responses with batches are paused elsewhere. Any other response is complete before it is sent, so it holds neither a
place nor a worker while its client reads; here, the memory that it takes is bounded.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.connection import Connection
from service.disconnect import ClientDisconnectedError
from service.reading import ReadLimits

PART_BYTES = 65536
"""A larger response is sent in parts of this size, each once the client has read the one before."""

UNREAD_BYTES = 64 << 20
"""Bytes of responses that wait for their clients. When there are more, the oldest response is cut."""


class SlowClients:
    """ASGI middleware: drops bodies that no route reads, and cuts responses that are read too slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._unread: dict[asyncio.Timeout, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; scopes other than HTTP pass unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = Connection.of(scope)

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                connection.drop_body()
                await send(message)
            elif message.get("more_body") or len(message.get("body", b"")) <= PART_BYTES:
                await send(message)
            else:
                await self._send_parts(send, message["body"], connection, _limits(scope))

        await self._app(scope, receive, limited)

    async def _send_parts(self, send: Send, body: bytes, connection: Connection, limits: ReadLimits | None) -> None:
        """Send a body. Raises `ClientDisconnectedError` if the client is too slow, which is then disconnected."""
        seconds = None if limits is None else limits.longest(len(body))
        try:
            async with asyncio.timeout(seconds) as timeout:
                self._unread[timeout] = len(body)
                self._cut_oldest()
                try:
                    for start in range(0, len(body), PART_BYTES):
                        part = body[start : start + PART_BYTES]  # a copy: the socket may hold it for long
                        more = start + PART_BYTES < len(body)
                        await send({"type": "http.response.body", "body": part, "more_body": more})
                finally:
                    del self._unread[timeout]
        except TimeoutError:
            connection.abort()
            raise ClientDisconnectedError("it read the response too slowly") from None

    def _cut_oldest(self) -> None:
        """Cut responses while too much is unread, but never the newest."""
        unread = sum(self._unread.values())
        for timeout, size in list(self._unread.items())[:-1]:
            if unread <= UNREAD_BYTES:
                return
            unread -= size
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())


def _limits(scope: Scope) -> ReadLimits | None:
    """Return the limits of the running server; None while it starts."""
    serving = getattr(scope["app"].state, "serving", None)
    return None if serving is None else serving.reading
