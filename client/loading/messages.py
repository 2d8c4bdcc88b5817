"""Messages between the trainer and the loader worker. Each travels as one frame of `sampler.ipc.frames`.

    trainer → loader worker    the job, then numbers of slots that the worker may fill (uint32, little-endian)
    loader worker → trainer    one `FilledSlot` for each batch, in step order; or one error, the last message

All but the numbers are msgpack maps.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgpack

from client import errors
from client.errors import ClientError
from client.loading.settings import LoaderSettings
from client.protocol.requests import StreamRequest
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.wire.messages import WireSample

SLOT_NUMBER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class LoaderJob:
    """What a loader worker is started for.

    digest: that the server must have. render: whether slots get rendered batches, or crops to render elsewhere.
    descriptor, count: of the shared memory.
    """

    settings: LoaderSettings
    digest: str
    render: bool
    descriptor: int
    count: int

    def encode(self) -> bytes:
        """Return the first message to the loader worker."""
        request = self.settings.request
        shard = request.shard
        packed: bytes = msgpack.packb({
            "url": self.settings.url, "options": self.settings.options, "digest": self.digest, "render": self.render,
            "families": self.settings.families, "descriptor": self.descriptor, "count": self.count,
            "request": {"seed": request.seed, "start": request.start, "stop": request.stop,
                        "augment": request.augment, "layout": request.layout},
            "shard": [shard.batch_size, shard.rank, shard.world_size],
        })  # fmt: skip
        return packed

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Return the job in a message that `encode` made."""
        fields = msgpack.unpackb(message)
        request = StreamRequest(**fields.pop("request"), shard=Shard(*fields.pop("shard")))
        settings = LoaderSettings(
            url=fields.pop("url"), request=request, families=tuple(fields.pop("families")), **fields.pop("options")
        )
        return cls(settings=settings, **fields)


@dataclass(frozen=True, slots=True)
class PackedBoxes:
    """The boxes of B samples, concatenated, as bytes.

    boxes: (M, 5) float32. objects: (M,) uint8. starts: (B + 1,) int64, as in `CompactBatch`.
    """

    boxes: bytes
    objects: bytes
    starts: bytes


@dataclass(frozen=True, slots=True)
class FilledSlot:
    """A batch that is ready in a slot.

    untagged: of each sample. origin: keys and recipes, packed, for `read_origin`. boxes: of a batch to render
    elsewhere, else None.
    """

    slot: int
    step: int
    digest: str
    untagged: list[int]
    origin: bytes
    boxes: PackedBoxes | None

    def encode(self) -> bytes:
        """Return the message to the trainer."""
        boxes = self.boxes and [self.boxes.boxes, self.boxes.objects, self.boxes.starts]
        packed: bytes = msgpack.packb({
            "slot": self.slot, "step": self.step, "digest": self.digest, "untagged": self.untagged,
            "origin": self.origin, "boxes": boxes,
        })  # fmt: skip
        return packed

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """Return the filled slot in a message. Raises the error if it holds one."""
        fields = msgpack.unpackb(message)
        if "error" in fields:
            kind: type[ClientError] = vars(errors)[fields["error"]]
            error = kind(fields["message"])
            vars(error).update(json.loads(fields["attributes"]))
            raise error
        boxes = fields.pop("boxes")
        return cls(**fields, boxes=None if boxes is None else PackedBoxes(*boxes))


def encode_error(error: ClientError) -> bytes:
    """Return the message of an error: class name, text and attributes, which may hold any JSON that a server sent."""
    fields = {"error": type(error).__name__, "message": str(error.args[0]), "attributes": json.dumps(vars(error))}
    packed: bytes = msgpack.packb(fields)
    return packed


def pack_origin(samples: Sequence[WireSample]) -> bytes:
    """Return keys and recipes as bytes."""
    keys = [(sample.key.seed, sample.key.epoch, sample.key.index) for sample in samples]
    packed: bytes = msgpack.packb([keys, [sample.recipe.as_dict() for sample in samples]])
    return packed


def read_origin(packed: bytes) -> tuple[tuple[SampleKey, ...], tuple[Recipe, ...]]:
    """Return the keys and recipes that `pack_origin` packed."""
    keys, recipes = msgpack.unpackb(packed)
    return tuple(SampleKey(*key) for key in keys), tuple(Recipe.parse(recipe) for recipe in recipes)
