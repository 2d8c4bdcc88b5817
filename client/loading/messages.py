"""Messages between the trainer and the loader worker. Each travels as one frame of `sampler.ipc.frames`.

    trainer → loader worker    a `LoaderJob`; then numbers of slots that the worker may fill (uint32, little-endian),
                               one or more of them in a message; or `PING`
    loader worker → trainer    one `FilledSlot` for each batch, in step order; or one `ClientError`, the last message;
                               a `LogLine` for what it logs; and a `PONG` for each `PING`

All but numbers, pings and pongs are pickled: both processes run the same code, and nobody else can write to their
socket.
"""

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from client.batches.box_table import BoxTable
from client.credentials import Token
from client.errors import ClientError
from client.fleet.statistics import FleetStatistics
from client.loading.settings import LoaderSettings
from client.protocol.target import Pins
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey

SLOT_NUMBER = struct.Struct("<I")

PING = PONG = b""
"""Asks the worker for a sign of life; the sign."""


@dataclass(frozen=True, slots=True)
class LoaderJob:
    """What a loader worker is started for.

    pins: digests that the server must have. render: whether slots get rendered batches, or crops to render elsewhere.
    descriptor, count: of the shared memory. token: of the settings, which do not carry it in a pickle. log_levels: of
    loggers in the trainer, by name.
    """

    settings: LoaderSettings
    pins: Pins
    render: bool
    descriptor: int
    count: int
    token: str | None = field(default=None, repr=False)
    log_levels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilledSlot:
    """A batch that is ready in a slot.

    untagged: of each sample. origin: pickled, for `read_origin`: most training steps never use it. boxes: None if they
    did not travel. damaged: responses before it that were damaged. fleet: what the worker has counted about several
    servers so far; None for nothing new.
    """

    slot: int
    step: int
    digest: str
    untagged: list[int]
    origin: bytes
    boxes: BoxTable | None
    damaged: int = 0
    fleet: FleetStatistics | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that was logged, as text: arguments of a record might be secrets, or not be picklable."""

    logger: str
    level: int
    text: str


def encode(message: LoaderJob | FilledSlot | LogLine | ClientError) -> bytes:
    """Return a message of either direction."""
    return pickle.dumps(message)


def decode_job(message: bytes) -> LoaderJob:
    """Return the job in the first message."""
    job: LoaderJob = pickle.loads(message)
    token = None if job.token is None else Token(job.token)
    return replace(job, settings=replace(job.settings, token=token))


def decode_result(message: bytes) -> FilledSlot | LogLine:
    """Return what is in a message of the worker. Raises the error if it holds one."""
    result: FilledSlot | LogLine | ClientError = pickle.loads(message)
    if isinstance(result, ClientError):
        raise result
    return result


def read_origin(origin: bytes) -> tuple[tuple[SampleKey, ...], tuple[Recipe, ...]]:
    """Return the key and the recipe of each sample."""
    keys, recipes = pickle.loads(origin)
    return keys, recipes
