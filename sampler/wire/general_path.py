"""Messages of any encoder, decoded by msgpack within limits."""

from typing import Any

import msgpack

from sampler.errors import ProtocolError
from sampler.wire.messages import FIELDS


class IncomingMessage:
    """A message that is passed to msgpack piece by piece.

    Attributes:
        received: bytes of the message before those that are still in the reader's scratch buffer.
        digested: how many of these the reader has added to its digest.
    """

    def __init__(self, limit: int, received: bytearray) -> None:
        """Start with digested bytes. limit: the most bytes of a message."""
        self.received = received
        self.digested = len(received)
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            max_buffer_size=limit,
            max_bin_len=limit,
            max_str_len=1 << 20,
            max_array_len=1 << 10,
            max_map_len=1 << 10,
            max_ext_len=0,
        )
        self._unpacker.feed(received)

    def read(self, piece: memoryview) -> tuple[dict[str, Any], int] | None:
        """Add bytes. Return the message and the number of bytes of `piece` it took; None if it is incomplete.

        Raises ProtocolError for anything but a message of the protocol.
        """
        try:
            self._unpacker.feed(piece)
            message = self._unpacker.unpack()
        except msgpack.OutOfData:
            return None
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error
        return _check_fields(message), self._unpacker.tell() - len(self.received)


def _check_fields(message: object) -> dict[str, Any]:
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
        raise ProtocolError(f"message of type {kind!r}: expected one of {', '.join(FIELDS)}")
    if set(message) != set(FIELDS[kind]):
        raise ProtocolError(f"{kind} with fields {sorted(map(str, message))}: expected {sorted(FIELDS[kind])}")
    return message
