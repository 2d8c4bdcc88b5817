"""Messages between the server and a worker. Each travels as one frame of `sampler.ipc.frames`.

Server → worker: msgpack maps. The first is the worker's setup, every other one a job.
Worker → server: replies.

    reply:  ┌────────────────────┬────────────────┬─────────┐
            │ job number, uint64 │ outcome, uint8 │ payload │   little-endian
            └────────────────────┴────────────────┴─────────┘

The payload is what the job asked for, or the problem document as a msgpack map. The samples of a run are written to
the arena; the payload of its reply only has the length of each message.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Literal, Self

import msgpack

from sampler.arrays import Layout
from sampler.stream.keys import SampleKey

Kind = Literal["sample", "document", "picture"]

STARTING = 0
"""Job number of the reply that says whether a worker has started."""


class Outcome(IntEnum):
    """How a job ended."""

    READY = 0
    """The worker has started; not the reply to a job."""
    DONE = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """A worker's reply to one job."""

    HEADER: ClassVar[struct.Struct] = struct.Struct("<QB")

    number: int
    outcome: Outcome
    payload: bytes

    def encode(self) -> bytes:
        """Return the message."""
        return self.HEADER.pack(self.number, self.outcome) + self.payload

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the reply in a message. Raises ConnectionError for any other message."""
        try:
            number, outcome = cls.HEADER.unpack_from(body)
            return cls(number, Outcome(outcome), body[cls.HEADER.size :])
        except (struct.error, ValueError) as error:
            raise ConnectionError(f"a message that is no reply: {error}") from error


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
        """Return the message that asks a worker for this job."""
        packed: bytes = msgpack.packb(
            {
                "number": number,
                "kind": self.kind,
                "key": self.key.as_dict(),
                "augment": self.augment,
                "layout": self.layout,
                "position": self.position,
            }
        )
        return packed

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
        """Return the message that asks a worker for this job."""
        keys = [(key.seed, key.epoch, key.index) for key in self.keys]
        fields = (keys, self.first, self.augment, self.layout, self.offset, self.room)
        packed: bytes = msgpack.packb({"number": number, "run": fields})
        return packed

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
