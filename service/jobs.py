"""What the server asks of a worker, and how that travels between the two processes.

Server → worker: a 4-byte length, then a msgpack map. Worker → server: a fixed header (job number, outcome, length),
then the payload: the bytes asked for, or a msgpack map with the problem. Both little-endian, over a socket pair.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import msgpack

from sampler.arrays import Layout
from sampler.keys import SampleKey

Kind = Literal["sample", "document", "picture"]

REQUEST_HEADER = struct.Struct("<I")
ANSWER_HEADER = struct.Struct("<QBQ")


class Outcome(IntEnum):
    """How a job ended."""

    READY = 0
    """The worker has started; not the answer to a job."""
    DONE = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to make of one sample.

    kind: "sample" for its message on the wire (then `position` in the batch and `layout` count), "document" for the
    debug JSON, "picture" for the debug PNG.
    """

    kind: Kind
    key: SampleKey
    augment: bool = True
    layout: Layout = "compact"
    position: int = 0

    def encode(self, number: int) -> bytes:
        """Return the bytes that ask a worker for this job."""
        return pack_request(
            {
                "number": number,
                "kind": self.kind,
                "key": self.key.as_dict(),
                "augment": self.augment,
                "layout": self.layout,
                "position": self.position,
            }
        )

    @classmethod
    def decode(cls, message: dict[str, Any]) -> tuple[int, "Job"]:
        """Return the number and the job of a message that `encode` made."""
        fields = dict(message)
        number = fields.pop("number")
        return number, cls(**{**fields, "key": SampleKey(**fields["key"])})


def pack_request(message: dict[str, Any]) -> bytes:
    """Return a length and the packed message."""
    packed: bytes = msgpack.packb(message)
    return REQUEST_HEADER.pack(len(packed)) + packed
