"""Messages between the server and a worker. Each travels as one frame of `sampler.ipc.frames`.

Server → worker: a setup first, then jobs. Worker → server: replies. Payloads are msgpack:

    setup   map of the fields of `WorkerSetup`
    job     number, "run", dataset, keys, augment, layout, first, offset, capacity
       or   number, "images", dataset, keys
       or   number, "view", dataset, keys, augment, kind, options
    reply   ┌────────────────────┬────────────────┬────────────────────┬──────────────────┬─────────┬─────────┐
            │ job number, uint64 │ outcome, uint8 │ counts, 3 × uint32 │ length N, uint32 │ N bytes │ payload │
            └────────────────────┴────────────────┴────────────────────┴──────────────────┴─────────┴─────────┘

Numbers are little-endian. The counts are the fields of `DecodeCounts` since the reply before. The N bytes are a list:
new notices about image files as lists of the fields of `Notice`, the seconds of the job, and those of each sample.
Without any of these, there are none.

The payload of a failed job is its problem document. The samples of a run are written to the arena; its payload only
has the length of each message.
"""

import json
import os
import struct
from dataclasses import asdict, astuple, dataclass, field, fields
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import msgpack

from sampler.arrays import Layout
from sampler.config.parsing import config_from_dict
from sampler.config_schema import SamplerConfig
from sampler.dataset.images.decode import DEFAULT_OPTIONS, ReadOptions
from sampler.path_lists import Location
from sampler.stream.keys import SampleKey
from service.workers.notices import Notice

STARTING = 0
"""Job number of the reply that says whether a worker has started."""

MAX_JOB_BYTES = 32 << 20
"""Most bytes of a job: far more than a million keys or a list of all images of a large dataset take."""


@dataclass(frozen=True, slots=True)
class DatasetSetup:
    """What a worker needs to open one dataset."""

    index_dir: Path
    images: tuple[Location, ...]  # where the images of each annotation file are
    config: SamplerConfig
    options: ReadOptions = DEFAULT_OPTIONS  # how images are read
    decoded_store: Path | None = None  # folder of the decoded store, if there is one
    store_inode: int | None = None  # of the file of pixels that `block_states` belongs to
    block_states: int | None = None  # descriptor of the states of the store's blocks, which the worker inherits
    hashes: int | None = None  # descriptor of the hashes of the images, which the worker inherits; None if unknown
    first_image: int = 0  # number of the dataset's first image in the image cache, which all datasets share
    unusable: tuple[int, ...] = ()  # indices of the images that are replaced by substitutes
    entry_points: Path | None = None  # file of entry points of the images; None if they are not to be used
    stamps: Path | None = None  # file of recorded states of images in object storage; None for others

    def as_dict(self) -> dict[str, Any]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return values | {"config": self.config.as_dict(), "options": asdict(self.options)}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        for name in ("index_dir", "decoded_store", "entry_points", "stamps"):
            values[name] = _path(values[name])
        values["images"] = tuple(_location(packed) for packed in values["images"])
        config = config_from_dict(values["config"], trust_family=True)
        values["unusable"] = tuple(values["unusable"])
        return cls(**values | {"config": config, "options": ReadOptions(**values["options"])})


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker needs to start."""

    datasets: tuple[DatasetSetup, ...]
    arena: int | None = None  # descriptor of the arena, which the worker inherits; None if it gets no runs to make
    warm_bytes: int = 0  # bytes of the arena to populate before the worker is ready
    kernel_cache: Path | None = None  # folder for compiled code where no other can be written
    memory: int | None = None  # bytes that the worker may allocate once it is ready; None for no limit
    image_cache: int | None = None  # descriptor of the image cache, which the worker inherits; None if there is none

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that the worker inherits."""
        of_datasets = [descriptor for one in self.datasets for descriptor in (one.block_states, one.hashes)]
        return [one for one in (self.arena, self.image_cache, *of_datasets) if one is not None]

    def encode(self) -> bytes:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        datasets = [dataset.as_dict() for dataset in self.datasets]
        packed: bytes = msgpack.packb(values | {"datasets": datasets}, default=os.fsencode)
        return packed

    @classmethod
    def decode(cls, message: bytes) -> Self:
        values = msgpack.unpackb(message)
        values["kernel_cache"] = _path(values["kernel_cache"])
        return cls(**values | {"datasets": tuple(DatasetSetup.of_dict(one) for one in values["datasets"])})


def _path(packed: bytes | None) -> Path | None:
    """Return a path, which travels as bytes: it need not be valid text."""
    return None if packed is None else Path(os.fsdecode(packed))


def _location(packed: bytes | str) -> Location:
    """Return a location: paths travel as bytes, URLs as text."""
    return packed if isinstance(packed, str) else Path(os.fsdecode(packed))


@dataclass(frozen=True)
class ViewJob:
    """Make what a page shows of samples or images.

    Attributes:
        kind: Key of the function in `service.explorer.views.VIEWS`.
        dataset: Number of the dataset.
        keys: Of the samples. Of images as they are, seed and epoch are 0.
        augment: False for the fixed recipe.
        options: Values for JSON, which depend on the kind. "config" is the dict of a checked `SamplerConfig` that
            replaces the dataset's.
    """

    kind: str
    dataset: int
    keys: tuple[SampleKey, ...]
    augment: bool = True
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def identity(self) -> str:
        """A text that equal jobs have in common, and others do not."""
        keys = [(key.seed, key.epoch, key.index) for key in self.keys]
        return json.dumps([self.kind, self.dataset, self.augment, keys, self.options], sort_keys=True)


@dataclass(frozen=True, slots=True)
class RunJob:
    """Write consecutive samples of one batch, one after another, into a slab of the arena."""

    keys: tuple[SampleKey, ...]
    augment: bool
    layout: Layout
    first: int  # position of the first of them in the batch
    offset: int  # where the slab begins in the arena
    capacity: int  # bytes for messages; right behind them, the worker counts the samples it has written
    dataset: int = 0


@dataclass(frozen=True, slots=True)
class ImagesJob:
    """Return images with their annotations, by dataset index."""

    indices: tuple[int, ...]
    dataset: int = 0

    @property
    def keys(self) -> tuple[SampleKey, ...]:
        """Keys in place of those of samples, by which the pool counts work."""
        return tuple(SampleKey(0, 0, index) for index in self.indices)


Job = RunJob | ViewJob | ImagesJob


def encode_job(number: int, job: Job) -> bytes:
    """Return the message of a job. Raises ValueError if it is too large, or whatever a value causes."""
    keys = [(key.seed, key.epoch, key.index) for key in job.keys]
    message: tuple[Any, ...]
    if isinstance(job, RunJob):
        message = (number, "run", job.dataset, keys, job.augment, job.layout, job.first, job.offset, job.capacity)
    elif isinstance(job, ImagesJob):
        message = (number, "images", job.dataset, keys)
    else:
        message = (number, "view", job.dataset, keys, job.augment, job.kind, job.options)
    packed: bytes = msgpack.packb(message)
    if len(packed) > MAX_JOB_BYTES:
        raise ValueError(f"a message of {len(packed)} bytes, over the limit of {MAX_JOB_BYTES}")
    return packed


def decode_job(message: bytes) -> tuple[int, Job]:
    number, kind, dataset, packed_keys, *others = msgpack.unpackb(message)
    keys = tuple(SampleKey(*key) for key in packed_keys)
    if kind == "run":
        augment, layout, first, offset, capacity = others
        return number, RunJob(keys, augment, layout, first, offset, capacity, dataset)
    if kind == "images":
        return number, ImagesJob(tuple(key.index for key in keys), dataset)
    augment, name, options = others
    return number, ViewJob(name, dataset, keys, augment, options)


class Outcome(IntEnum):
    """How a job ended. READY: the worker has started, which is no job. COMPILING: it will start, but later."""

    READY = 0
    DONE = 1
    FAILED = 2
    COMPILING = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """A worker's reply to one job."""

    HEADER: ClassVar[struct.Struct] = struct.Struct("<QB3II")

    number: int
    outcome: Outcome
    payload: bytes
    notices: tuple[Notice, ...] = ()
    decoded: tuple[int, int, int] = (0, 0, 0)  # the fields of `DecodeCounts`
    seconds: float = 0.0  # that the job took
    sample_seconds: tuple[float, ...] = ()  # that each sample of a run took

    def encode(self) -> bytes:
        about = b""
        if self.notices or self.seconds or self.sample_seconds:
            notices = [astuple(notice) for notice in self.notices]
            about = msgpack.packb((notices, self.seconds, self.sample_seconds))
        return self.HEADER.pack(self.number, self.outcome, *self.decoded, len(about)) + about + self.payload

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the reply in a message. Raises ConnectionError for any other message."""
        try:
            number, outcome, *decoded, length = cls.HEADER.unpack_from(body)
            end = cls.HEADER.size + length
            rows, seconds, sample_seconds = msgpack.unpackb(body[cls.HEADER.size : end]) if length else ((), 0, ())
            whole, parts, recorded = decoded
            notices, times = tuple(Notice(*row) for row in rows), tuple(map(float, sample_seconds))
            return cls(number, Outcome(outcome), body[end:], notices, (whole, parts, recorded), float(seconds), times)
        except (struct.error, ValueError, TypeError) as error:
            raise ConnectionError(f"a message that is no reply: {error}") from error


@dataclass(frozen=True, slots=True)
class RunResult:
    """The payload of the reply to a run."""

    lengths: tuple[int, ...]  # of the messages, up to the sample that failed if one did
    problem: dict[str, Any] | None = None  # of the sample that failed

    def encode(self) -> bytes:
        packed: bytes = msgpack.packb((self.lengths, self.problem))
        return packed

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        lengths, problem = msgpack.unpackb(payload)
        return cls(tuple(lengths), problem)
