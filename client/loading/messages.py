"""Messages between the trainer and the loader worker. Each travels as one frame of `sampler.ipc.frames`.

trainer → loader worker    the job (a msgpack map), then numbers of slots that the worker may fill (uint32)
loader worker → trainer    a msgpack map for each batch that is ready in a slot, in step order; or one error, the last

All numbers are little-endian.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

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

SLOT = struct.Struct("<I")

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


def encode_token(token: Token) -> bytes:
    """Return the message that says that a batch lies in a slot."""
    boxes = token.boxes and [token.boxes.boxes, token.boxes.objects, token.boxes.starts]
    packed: bytes = msgpack.packb({
        "slot": token.slot, "step": token.step, "digest": token.digest, "untagged": token.untagged,
        "origin": token.origin, "boxes": boxes,
    })  # fmt: skip
    return packed


def encode_error(error: ClientError) -> bytes:
    """Return the message of an error: class name, text and attributes, which may hold any JSON that a server sent."""
    fields = {"error": type(error).__name__, "message": str(error.args[0]), "attributes": json.dumps(vars(error))}
    packed: bytes = msgpack.packb(fields)
    return packed


def read_token(body: bytes) -> Token:
    """Return the token in a message; if the message holds an error, raise it."""
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
