"""Messages as msgpack reads them, bounded and told apart by type and fields."""

from typing import Any

import msgpack

from sampler.errors import ProtocolError

FIELDS = {
    "header": {"type", "protocol", "digest", "layout", "augment", "count", "step"},
    "sample": {"type", "position", "key", "recipe", "untagged", "arrays"},
    "trailer": {"type", "status", "count", "digest"},
    "error": {"type", "problem"},
}


class Message:
    """A message on its way to msgpack.

    held: its bytes before those on the desk; hashed: how many of them are digested.
    """

    def __init__(self, limit: int, held: bytearray, hashed: int) -> None:
        """limit: bytes that a message may have."""
        self.held = held
        self.hashed = hashed
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
        self._unpacker.feed(held)

    def read(self, piece: memoryview) -> tuple[dict[str, Any], int] | None:
        """Take more bytes; return the message and how many of these bytes it took, or None: more are needed.

        Raises `ProtocolError` for what is no message of the protocol.
        """
        try:
            self._unpacker.feed(piece)
            message = self._unpacker.unpack()
        except msgpack.OutOfData:
            return None
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error
        return _known(message), self._unpacker.tell() - len(self.held)


def _known(message: object) -> dict[str, Any]:
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
        raise ProtocolError(f"message of type {kind!r}: expected one of {', '.join(FIELDS)}")
    if set(message) != FIELDS[kind]:
        raise ProtocolError(f"{kind} with fields {sorted(map(str, message))}: expected {sorted(FIELDS[kind])}")
    return message
