"""Chunked responses whose large pieces are written to the socket from where they are.

uvicorn joins the length of a chunk, its data and its end to a new bytes object. For batches, that copied everything
that was sent once more. Here the transport gets the three parts as they are. uvloop sends them with one system call.
"""

from typing import Any

from starlette.types import Message, Send

from service.reading import NOTHING


def without_copies(send: Send) -> Send:
    """Return the `send` of a response, changed so that it does not copy memoryviews in a chunked body.

    The memory behind such a view must not change while the view exists: it is read until the client has received it.

    Args:
        send: of uvicorn with httptools. Any other is returned unchanged.
    """
    cycle: Any = getattr(send, "__self__", None)
    if not all(hasattr(cycle, name) for name in ("chunked_encoding", "disconnected", "transport")):
        return send

    async def uncopied(message: Message) -> None:
        body = message.get("body")
        if not isinstance(body, memoryview) or not body or not cycle.chunked_encoding or not message["more_body"]:
            await send(message)
            return
        await send(NOTHING)
        transport = cycle.transport
        if not cycle.disconnected and not transport.is_closing():
            transport.write(b"%x\r\n" % len(body))  # asyncio before 3.12.9 and 3.13.2 slows a writer down only here
            transport.writelines((body, b"\r\n"))

    return uncopied
