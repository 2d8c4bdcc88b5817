"""What passes between a loader and its process, over a socket pair.

loader → process    a frame with the job, then 4-byte numbers: slots that the process may fill
process → loader    a frame for each batch that lies in a slot, in step order; or one with an error, and no more

A frame is a 4-byte length and a msgpack map; all numbers are little-endian.
"""

import json
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from client.errors import (
    ClientError,
    DigestMismatchError,
    MissingExtraError,
    ProblemError,
    ProtocolError,
    RequestRefusedError,
    SampleError,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.messages import WireSample

LENGTH = struct.Struct("<I")
SLOT = struct.Struct("<I")

PIECE = 1 << 16
"""Bytes asked of a socket at once, at least."""

ERRORS: dict[str, type[ClientError]] = {
    kind.__name__: kind
    for kind in (
        ClientError,
        DigestMismatchError,
        MissingExtraError,
        ProblemError,
        ProtocolError,
        RequestRefusedError,
        SampleError,
        ServerError,
        ServerUnavailableError,
        TransferError,
    )
}
"""The errors that can cross, by name; a test holds this to the whole tree."""


@dataclass(frozen=True, slots=True)
class Token:
    """Says that a batch lies in a slot.

    untagged: of each sample. origin: keys and recipes, packed, for `read_origin`. boxes: what a batch that is not
    rendered has beside its slot, else None.
    """

    slot: int
    step: int
    digest: str
    untagged: list[int]
    origin: bytes
    boxes: "PackedBoxes | None"


@dataclass(frozen=True, slots=True)
class PackedBoxes:
    """The boxes of B samples, one after another, as bytes.

    boxes: (K, 5) float32. objects: (K,) uint8. starts: (B+1,) int64; sample b has the rows starts[b] … starts[b+1]−1.
    """

    boxes: bytes
    objects: bytes
    starts: bytes


class Inbox:
    """What comes in at a socket, in pieces of a wanted size.

    It asks the socket for more than is wanted, so that a frame mostly costs one call: beside a busy trainer, it is
    each call that costs, for coming back from it means waiting for the interpreter's lock.
    """

    def __init__(self, channel: socket.socket) -> None:
        """Read from `channel`, which nobody else reads from."""
        self._channel = channel
        self._unread = bytearray()

    def frame(self) -> bytes | None:
        """Wait for the next frame, and return its body; None where the other end is gone."""
        length = self.take(LENGTH.size)
        return None if length is None else self.take(LENGTH.unpack(length)[0])

    def ready(self, seconds: float) -> bool:
        """Wait at most so long for anything to come, and return whether it did; the end counts as something."""
        return bool(self._unread or select.select([self._channel], [], [], seconds)[0])

    def take(self, size: int) -> bytes | None:
        """Wait for the next `size` bytes, and return them; None where the other end is gone."""
        while len(self._unread) < size:
            try:
                part = self._channel.recv(max(PIECE, size - len(self._unread)))
            except ConnectionError:
                return None
            if not part:
                return None
            self._unread += part
        taken = bytes(memoryview(self._unread)[:size])
        del self._unread[:size]
        return taken


def frame(message: dict[str, Any]) -> bytes:
    """Return the bytes of a frame."""
    packed: bytes = msgpack.packb(message)
    return LENGTH.pack(len(packed)) + packed


def batch_frame(token: Token) -> bytes:
    """Return the frame of a batch."""
    boxes = token.boxes and [token.boxes.boxes, token.boxes.objects, token.boxes.starts]
    return frame({
        "slot": token.slot, "step": token.step, "digest": token.digest, "untagged": token.untagged,
        "origin": token.origin, "boxes": boxes,
    })  # fmt: skip


def error_frame(error: ClientError) -> bytes:
    """Return the frame of an error: its kind, message and attributes, which may hold whatever JSON a server sent."""
    return frame({"error": type(error).__name__, "message": str(error.args[0]), "attributes": json.dumps(vars(error))})


def read_token(body: bytes) -> Token:
    """Return the token in the body of a frame; raise the error if it holds one."""
    message = msgpack.unpackb(body)
    if "error" in message:
        error = ERRORS[message["error"]](message["message"])
        vars(error).update(json.loads(message["attributes"]))
        raise error
    boxes = message.pop("boxes")
    return Token(**message, boxes=None if boxes is None else PackedBoxes(*boxes))


def pack_origin(samples: Sequence[WireSample]) -> bytes:
    """Return keys and recipes as bytes."""
    keys = [(sample.key.seed, sample.key.epoch, sample.key.index) for sample in samples]
    packed: bytes = msgpack.packb([keys, [sample.recipe.as_dict() for sample in samples]])
    return packed


def read_origin(packed: bytes) -> tuple[tuple[SampleKey, ...], tuple[Recipe, ...]]:
    """Return the keys and recipes that `pack_origin` packed."""
    keys, recipes = msgpack.unpackb(packed)
    return tuple(SampleKey(*key) for key in keys), tuple(Recipe.parse(recipe) for recipe in recipes)
