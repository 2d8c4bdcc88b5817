"""Which batches a request selects: parameters in, keys out. Every invalid request is refused here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.printable import printable
from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.stream.shards import Shard, last_step, step_keys, stream_keys
from sampler.wire.messages import Header
from sampler.wire.spec import ServiceSpec
from service.batches.parameters import (
    BatchParameters,
    ImageParameters,
    ImagesParameters,
    PinnedParameters,
    SamplePageParameters,
    SampleParameters,
    StreamParameters,
)
from service.errors.problems import ServiceError


@dataclass(frozen=True)
class Batch:
    """The identity of a batch: its header and its keys, in order. Equal ones have equal bytes.

    Attributes:
        header: The header of the batch.
        keys: The keys of its samples, in order.
        dataset: Number of the server's dataset. Two datasets may have the same digest and other images.
        pixels: Digest of the dataset's image files, if it is known.
    """

    header: Header
    keys: tuple[SampleKey, ...]
    dataset: int = 0
    pixels: str | None = None

    def __hash__(self) -> int:
        """Hash only a few of the keys: the batch cache looks up every request."""
        return hash((self.dataset, self.header, self.keys[:1], self.keys[-1:]))

    @cached_property
    def etag(self) -> str:
        """A strong entity tag."""
        header = self.header
        keys = [key.as_dict() for key in self.keys]
        name = (header.digest, self.pixels, header.layout, header.augment, header.step, keys)
        return f'"{hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest()}"'


def select_batch(parameters: BatchParameters, spec: ServiceSpec, dataset: int = 0) -> Batch:
    """Return the requested batch of a dataset, given by its spec and number.

    Raises `InvalidRequestError`, or `ServiceError` (412) for another digest.
    """
    if parameters.indices is not None:
        _check_list(parameters.indices, spec)
    _check_digests(spec, parameters.digest, parameters.pixels, parameters.substitutes)
    if parameters.indices is not None:
        keys = _keys_by_index(parameters, parameters.indices, spec)
        header = Header(spec.digest, parameters.layout, parameters.augment, len(keys), None)
        return Batch(header, keys, dataset, spec.pixels)
    if parameters.epoch is not None:
        expected = "no value together with step; the step determines the epoch"
        raise InvalidRequestError("epoch", parameters.epoch, expected)
    step, shard = _step_and_shard(parameters)
    _check_count("batch_size", shard.count, spec)
    header = Header(spec.digest, parameters.layout, parameters.augment, shard.count, step)
    return _batch_of_step(header, dataset, spec.pixels, spec.size, parameters.seed, step, shard)


def select_stream(parameters: StreamParameters, spec: ServiceSpec, dataset: int = 0) -> Iterator[Batch]:
    """Check the parameters at once, then yield the batches. Raises like `select_batch`."""
    _check_digests(spec, parameters.digest, parameters.pixels, parameters.substitutes)
    shard = Shard(parameters.batch_size, parameters.rank, parameters.world_size)
    _check_count("batch_size", shard.count, spec)
    end = last_step(shard) + 1
    if parameters.start >= end:
        raise InvalidRequestError("start", parameters.start, f"a step below {end} at this batch size")
    stop = end if parameters.stop is None else parameters.stop
    if not parameters.start < stop <= end:
        raise InvalidRequestError("stop", stop, f"a step after start = {parameters.start}, at most {end}")
    return _batches(parameters, range(parameters.start, stop), shard, spec, dataset)


def select_images(parameters: ImagesParameters, spec: ServiceSpec) -> tuple[int, ...]:
    """Return the dataset indices of images. Raises like `select_batch`."""
    _check_list(parameters.indices, spec)
    _check_digests(spec, parameters.digest)
    _check_indices(parameters.indices, spec)
    return tuple(parameters.indices)


def check_pins(parameters: PinnedParameters, spec: ServiceSpec) -> None:
    """Raise `ServiceError` (412) if a request names other digests than those of its dataset."""
    _check_digests(spec, parameters.digest, parameters.pixels)


def select_image(index: int, parameters: ImageParameters, spec: ServiceSpec) -> int:
    """Return the dataset index of one image. Raises like `select_batch`."""
    _check_digests(spec, parameters.digest, parameters.pixels)
    return require_integer("index", index, 0, spec.size - 1)


def select_sample(index: int, parameters: SampleParameters, spec: ServiceSpec) -> SampleKey:
    """Return the key of one sample. Raises like `select_batch`."""
    _check_digests(spec, parameters.digest, parameters.pixels, parameters.substitutes)
    return SampleKey(parameters.seed, parameters.epoch, require_integer("index", index, 0, spec.size - 1))


def select_place(key: SampleKey, parameters: SamplePageParameters, spec: ServiceSpec) -> StreamPlace | None:
    """Return the place of a sample in the step that the parameters name; None if they name none.

    Raises `InvalidRequestError`, also if the sample is not in that part of the step.
    """
    if (parameters.step, parameters.batch_size, parameters.rank, parameters.world_size) == (None,) * 4:
        return None
    step, shard = _step_and_shard(parameters)
    _check_count("batch_size", shard.count, spec)
    keys = step_keys(spec.size, parameters.seed, step, shard)
    if key not in keys:
        raise InvalidRequestError("step", step, f"a step with index {key.index} of epoch {key.epoch}, or no step")
    return StreamPlace(step, shard, keys.index(key))


@lru_cache(maxsize=16)
def _batch_of_step(
    header: Header, dataset: int, pixels: str | None, size: int, seed: int, step: int, shard: Shard
) -> Batch:
    """Return the batch of a step. Recent ones are likely to be requested again, so keys and tag are cached."""
    return Batch(header, tuple(step_keys(size, seed, step, shard)), dataset, pixels)


def _batches(
    parameters: StreamParameters, steps: range, shard: Shard, spec: ServiceSpec, dataset: int
) -> Iterator[Batch]:
    for step, keys in zip(steps, stream_keys(spec.size, parameters.seed, steps, shard), strict=True):
        header = Header(spec.digest, parameters.layout, parameters.augment, len(keys), step)
        yield Batch(header, tuple(keys), dataset, spec.pixels)


def _keys_by_index(parameters: BatchParameters, indices: list[int], spec: ServiceSpec) -> tuple[SampleKey, ...]:
    for field in ("step", "batch_size", "rank", "world_size"):
        value = getattr(parameters, field)
        if value is not None:
            expected = "no value together with indices; request a batch by index or by seed"
            raise InvalidRequestError(field, value, expected)
    _check_indices(indices, spec)
    return tuple(SampleKey(parameters.seed, parameters.epoch or 0, index) for index in indices)


def _check_list(indices: list[int], spec: ServiceSpec) -> None:
    """Refuse a list that is invalid for any dataset, whatever digest the request names."""
    if not indices:
        raise InvalidRequestError("indices", [], f"1 to {spec.max_batch} indices")
    if min(indices) < 0:
        place = next(place for place, index in enumerate(indices) if index < 0)
        require_integer(f"indices[{place}]", indices[place], 0, spec.size - 1)


def _check_indices(indices: list[int], spec: ServiceSpec) -> None:
    """Check a list against the dataset. An index beyond it may be due to another dataset, so the digest is first."""
    _check_count("indices", len(indices), spec)
    for place, index in enumerate(indices):
        require_integer(f"indices[{place}]", index, 0, spec.size - 1)


def _step_and_shard(parameters: BatchParameters | SamplePageParameters) -> tuple[int, Shard]:
    step, batch_size = parameters.step, parameters.batch_size
    if step is None or batch_size is None:
        field = "step" if step is None else "batch_size"
        if isinstance(parameters, SamplePageParameters):
            raise InvalidRequestError(field, None, "a value: a place in a stream has both step and batch_size")
        raise InvalidRequestError(field, None, "a value, or indices instead of step and batch_size")
    world_size = 1 if parameters.world_size is None else parameters.world_size
    return step, Shard(batch_size, parameters.rank or 0, world_size)


def _check_digests(
    spec: ServiceSpec, digest: str | None, pixels: str | None = None, substitutes: int | None = None
) -> None:
    """Raise `ServiceError` (412) for another digest, for other images if both sides know, or other substitutes."""
    if digest is not None and digest != spec.digest:
        raise _mismatch("digest", digest, spec.digest, "dataset, config or version differ")
    if pixels is not None and spec.pixels is not None and pixels != spec.pixels:
        raise _mismatch("pixels", pixels, spec.pixels, "the image files or the substitutes differ")
    if substitutes is not None and substitutes != spec.substitutes:
        raise _mismatch("substitutes", str(substitutes), str(spec.substitutes), "other images are replaced")


def _mismatch(field: str, expected: str, actual: str, cause: str) -> ServiceError:
    detail = f"the request names {field} {printable(expected[:64])}, this server has {actual}: {cause}"
    return ServiceError("digest-mismatch", detail, {"field": field, "expected": expected[:64], "actual": actual})


def _check_count(field: str, count: int, spec: ServiceSpec) -> None:
    if count > spec.max_batch:
        raise InvalidRequestError(field, count, f"at most {spec.max_batch} samples in one request of one rank")
