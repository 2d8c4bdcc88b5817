"""Decodes messages that another encoder wrote, and headers, trailers and errors, with msgpack."""

from typing import Any

import msgpack

from sampler.errors import ProtocolError
from sampler.printable import shown
from sampler.wire.messages import FIELDS, PayloadDigest

MAX_CONTAINERS = 1 << 10
"""Lists and maps of a message, at all depths: objects take much more memory than their bytes. A sample has about 60."""

MAX_LENGTH = 1 << 10
"""Entries of a list or map."""

MAX_TEXT = 1 << 20
"""Bytes of a text."""


class MessageDecoder:
    """A message of any encoder, which msgpack decodes piece by piece.

    digest_before: of the batch's bytes before the message. unused: number of bytes of the last piece after the message.
    """

    def __init__(self, limit: int, digest: PayloadDigest) -> None:
        """limit: the most bytes of a message."""
        self.digest_before = digest.copy()
        self.message: Any = None
        self.unused = 0
        self._limit = limit
        self._received = 0
        count = _ContainerCount()  # no method of this object: as a cycle it would live until a garbage collection
        self._unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            max_buffer_size=limit,
            max_bin_len=limit,
            max_str_len=MAX_TEXT,
            max_array_len=MAX_LENGTH,
            max_map_len=MAX_LENGTH,
            max_ext_len=0,
            object_hook=count,
            list_hook=count,
        )

    def read(self, piece: bytes | memoryview) -> bool:
        """Add bytes; return whether the message is complete, as `message`."""
        try:
            self._unpacker.feed(piece)
            self._received += len(piece)
            self.message = self._unpacker.unpack()
        except msgpack.OutOfData:
            if self._received > self._limit:
                raise ProtocolError(f"a message of more than {self._limit} bytes") from None
            return False
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not a msgpack response: {type(error).__name__}: {error}") from error
        self.unused = self._received - self._unpacker.tell()
        return True


def type_of(message: object) -> object:
    """Return the type that a message names; None if it names none."""
    return message.get("type") if isinstance(message, dict) else None


def require_fields(message: object) -> dict[str, Any]:
    """Return a message that is of a known type and has its fields. Raises ProtocolError otherwise."""
    kind = type_of(message)
    if not isinstance(message, dict) or not isinstance(kind, str) or kind not in FIELDS:
        raise ProtocolError(f"message of type {shown(kind)}: expected one of {', '.join(FIELDS)}")
    if set(message) != set(FIELDS[kind]):
        raise ProtocolError(f"{kind} with fields {shown(sorted(map(str, message)))}: expected {sorted(FIELDS[kind])}")
    return message


class _ContainerCount:
    """Returns the lists and maps that it is given. Raises ProtocolError after `MAX_CONTAINERS` of them."""

    def __init__(self) -> None:
        self._left = MAX_CONTAINERS

    def __call__(self, container: Any) -> Any:
        if not self._left:
            raise ProtocolError(f"a message with more than {MAX_CONTAINERS} lists and maps")
        self._left -= 1
        return container
