"""What the server asks of a worker, and how that travels between the two processes.

Server → worker: a 4-byte length, then a msgpack map; the arena's descriptor comes with the first of them.
Worker → server: a fixed header (job number, outcome, length), then the payload: the bytes asked for, or a msgpack map
with the problem. Both little-endian, over a socket pair. The samples of a run stay where they are, in the arena: its
answer only says how long each of them is.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import msgpack

from sampler.array_table import Layout
from sampler.stream.keys import SampleKey

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


@dataclass(frozen=True, slots=True)
class RunJob:
    """Consecutive samples of one batch, to be written one behind the other into a slab of the arena.

    keys: theirs, in order. first: position of the first of them in the batch. offset: where the slab begins in the
    arena. room: bytes for messages; right behind them the worker keeps count of the samples it has written.
    """

    keys: tuple[SampleKey, ...]
    first: int
    augment: bool
    layout: Layout
    offset: int
    room: int

    @property
    def key(self) -> SampleKey:
        """The key of the first sample."""
        return self.keys[0]

    def encode(self, number: int) -> bytes:
        """Return the bytes that ask a worker for this job."""
        keys = [(key.seed, key.epoch, key.index) for key in self.keys]
        fields = (keys, self.first, self.augment, self.layout, self.offset, self.room)
        return pack_request({"number": number, "run": fields})

    @classmethod
    def decode(cls, message: dict[str, Any]) -> tuple[int, "RunJob"]:
        """Return the number and the job of a message that `encode` made."""
        keys, *fields = message["run"]
        return message["number"], cls(tuple(SampleKey(*key) for key in keys), *fields)


def decode_job(message: dict[str, Any]) -> tuple[int, "Job | RunJob"]:
    """Return the number and the job of a message, whichever kind of job it is."""
    return RunJob.decode(message) if "run" in message else Job.decode(message)


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What became of a run: the length of each message, up to the sample that failed; that sample's problem, if any."""

    lengths: tuple[int, ...]
    problem: dict[str, Any] | None = None

    def encode(self) -> bytes:
        """Return the payload that says so."""
        packed: bytes = msgpack.packb((self.lengths, self.problem))
        return packed

    @classmethod
    def decode(cls, payload: bytes) -> "RunAnswer":
        """Return what `encode` packed."""
        lengths, problem = msgpack.unpackb(payload)
        return cls(tuple(lengths), problem)


def pack_request(message: dict[str, Any]) -> bytes:
    """Return a length and the packed message."""
    packed: bytes = msgpack.packb(message)
    return REQUEST_HEADER.pack(len(packed)) + packed
