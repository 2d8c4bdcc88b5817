"""Which samples a request asks for: parameters in, keys out. Everything that can be refused is refused here."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sampler.arrays import Layout
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, last_step, step_keys, stream_keys
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.errors.problems import ServiceError


def _split_commas(value: Any) -> Any:
    """Take `3,17,5` as well as a list; a query's value arrives as a list of one string."""
    items = value if isinstance(value, list) else [value]
    texts = all(isinstance(item, str) for item in items)
    return [part.strip() for item in items for part in item.split(",")] if texts else value


Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT, description="seed of the stream, 0 … 2⁶⁴−1")]
Epoch = Annotated[int, Field(ge=0, lt=EPOCH_LIMIT, description="epoch of the samples asked for by index")]
Step = Annotated[int, Field(ge=0, le=STEP_LIMIT, description="global step")]
BatchSize = Annotated[int, Field(ge=1, le=STEP_LIMIT, description="global batch size B, of all ranks together")]
Rank = Annotated[int, Field(ge=0, description="this process, 0 … world_size−1")]
WorldSize = Annotated[int, Field(ge=1, description="number of processes, 1 … batch_size")]
Augment = Annotated[bool, Field(description="false: largest box as reference, centred, no flip, no colour change")]
LayoutName = Annotated[Layout, Field(description="how samples travel")]
Digest = Annotated[str | None, Field(description="refuse with 412 unless the server's digest is this one")]
Indices = Annotated[
    list[int] | None,
    Field(fail_fast=True),  # one bad index is told, not a million
    BeforeValidator(_split_commas),
    Field(description="dataset indices, separated by commas"),
]


class BatchParameters(BaseModel):
    """A batch by index (`indices`, `seed`, `epoch`) or by seed (`seed`, `step`, `batch_size`, `rank`, `world_size`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    indices: Indices = None
    seed: Seed = 0
    epoch: Epoch | None = None
    step: Step | None = None
    batch_size: BatchSize | None = None
    rank: Rank | None = None
    world_size: WorldSize | None = None
    layout: LayoutName = "compact"
    augment: Augment = True
    digest: Digest = None


class StreamParameters(BaseModel):
    """Batches of one seed from step `start` until `stop` (without it: endless)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Seed = 0
    start: Step = 0
    stop: Step | None = None
    batch_size: BatchSize
    rank: Rank = 0
    world_size: WorldSize = 1
    layout: LayoutName = "compact"
    augment: Augment = True
    digest: Digest = None


class SampleParameters(BaseModel):
    """One sample for looking at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Seed = 0
    epoch: Epoch = 0
    augment: Augment = True
    digest: Digest = None


@dataclass(frozen=True)
class Batch:
    """One batch to be made: its header and its keys, in order."""

    header: Header
    keys: tuple[SampleKey, ...]

    def __hash__(self) -> int:
        """Tell batches apart by a few of their keys: a cache looks them up for every request."""
        return hash((self.header, self.keys[:1], self.keys[-1:]))

    @cached_property
    def etag(self) -> str:
        """A strong entity tag: equal ones mean equal bytes."""
        header = self.header
        name = (header.digest, header.layout, header.augment, header.step, [key.as_dict() for key in self.keys])
        return f'"{hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest()}"'


async def refuse_repeated(request: Request) -> None:  # async: FastAPI would have a thread run it otherwise
    """Raise `InvalidRequestError` for a parameter given twice, of which one would be ignored."""
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if times > 1 and name != "indices":
            raise InvalidRequestError(name, request.query_params.getlist(name), "one value")


def select_batch(asked: BatchParameters, spec: ServiceSpec) -> Batch:
    """Return the batch that is asked for. Raises `InvalidRequestError`, or `ServiceError` for another digest."""
    _check_digest(asked.digest, spec)
    if asked.indices is not None:
        keys = _keys_by_index(asked, asked.indices, spec)
        return Batch(Header(spec.digest, asked.layout, asked.augment, len(keys), None), tuple(keys))
    step, shard = _by_seed(asked)
    _check_count("batch_size", shard.count, spec)
    header = Header(spec.digest, asked.layout, asked.augment, shard.count, step)
    return _batch_of_step(header, spec.size, asked.seed, step, shard)


@lru_cache(maxsize=16)
def _batch_of_step(header: Header, size: int, seed: int, step: int, shard: Shard) -> Batch:
    """Return the batch of a step. Those asked for of late are likely to be asked for again: keys and tag are kept."""
    return Batch(header, tuple(step_keys(size, seed, step, shard)))


def select_stream(asked: StreamParameters, spec: ServiceSpec) -> Iterator[Batch]:
    """Check what is asked for at once, then yield its batches. Raises like `select_batch`."""
    _check_digest(asked.digest, spec)
    shard = Shard(asked.batch_size, asked.rank, asked.world_size)
    _check_count("batch_size", shard.count, spec)
    end = last_step(shard) + 1
    if asked.start >= end:
        raise InvalidRequestError("start", asked.start, f"a step below {end} at this batch size")
    stop = end if asked.stop is None else asked.stop
    if not asked.start < stop <= end:
        raise InvalidRequestError("stop", stop, f"a step after start = {asked.start}, at most {end}")
    return _batches(asked, range(asked.start, stop), shard, spec)


def _batches(asked: StreamParameters, steps: range, shard: Shard, spec: ServiceSpec) -> Iterator[Batch]:
    for step, keys in zip(steps, stream_keys(spec.size, asked.seed, steps, shard), strict=True):
        yield Batch(Header(spec.digest, asked.layout, asked.augment, len(keys), step), tuple(keys))


def select_sample(index: int, asked: SampleParameters, spec: ServiceSpec) -> SampleKey:
    """Return the key of one sample. Raises like `select_batch`."""
    _check_digest(asked.digest, spec)
    return SampleKey(asked.seed, asked.epoch, require_integer("index", index, 0, spec.size - 1))


def _check_digest(asked: str | None, spec: ServiceSpec) -> None:
    """Raise `ServiceError` (412) when a digest is asked for that is not the server's."""
    if asked is not None and asked != spec.digest:
        raise ServiceError(
            "digest-mismatch",
            f"digest {asked[:64]} was asked for, this server has {spec.digest}: dataset, config or version differ",
            {"expected": asked[:64], "actual": spec.digest},
        )


def _keys_by_index(asked: BatchParameters, indices: list[int], spec: ServiceSpec) -> list[SampleKey]:
    for field in ("step", "batch_size", "rank", "world_size"):
        value = getattr(asked, field)
        if value is not None:
            raise InvalidRequestError(field, value, "nothing beside indices; a batch is asked for by index or by seed")
    if not indices:
        raise InvalidRequestError("indices", [], f"1 to {spec.max_batch} indices")
    _check_count("indices", len(indices), spec)
    for place, index in enumerate(indices):
        require_integer(f"indices[{place}]", index, 0, spec.size - 1)
    return [SampleKey(asked.seed, asked.epoch or 0, index) for index in indices]


def _by_seed(asked: BatchParameters) -> tuple[int, Shard]:
    if asked.epoch is not None:
        raise InvalidRequestError("epoch", asked.epoch, "nothing beside step; the step says which epoch it is in")
    for field in ("step", "batch_size"):
        if getattr(asked, field) is None:
            raise InvalidRequestError(field, None, "a value, or indices instead of step and batch_size")
    world_size = 1 if asked.world_size is None else asked.world_size
    return asked.step or 0, Shard(asked.batch_size or 0, asked.rank or 0, world_size)


def _check_count(field: str, count: int, spec: ServiceSpec) -> None:
    if count > spec.max_batch:
        raise InvalidRequestError(field, count, f"at most {spec.max_batch} samples in one request of one rank")
