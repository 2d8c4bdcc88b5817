"""Length-prefixed messages of `sampler.ipc.frames` on an event loop, which child processes do without."""

import asyncio
import socket
from typing import Self, cast

from sampler.ipc.frames import FrameBuffer, encode_frame


class AsyncFrameSocket(asyncio.Protocol):
    """Sends and receives frames on an event loop. One task at a time may read."""

    def __init__(self) -> None:
        self._received = FrameBuffer()
        self._changed: asyncio.Future[None] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._ended = False
        self._error: Exception | None = None

    @classmethod
    async def connect(cls, channel: socket.socket) -> Self:
        """Take over a connected Unix stream socket."""
        try:
            _, frames = await asyncio.get_running_loop().create_unix_connection(cls, sock=channel)
        except BaseException:
            channel.close()
            raise
        return frames

    def send(self, body: bytes) -> None:
        """Queue a message. Does nothing if the peer is gone, which `read` reports."""
        # uvloop raises on a write to a socket that it has just found broken.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_frame(body))

    async def read(self) -> bytes | None:
        """Wait for the next message; None if the peer is gone. Raises OSError if the socket fails otherwise."""
        while (body := self._received.next()) is None:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._changed = asyncio.get_running_loop().create_future()
            await self._changed
        return body

    def close(self) -> None:
        """Close the socket. Call it in the event loop."""
        if self._transport is not None:
            self._transport.close()

    # The event loop calls the following methods.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._received.feed(data)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._error = None if isinstance(exc, ConnectionError) else exc
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
