"""Requests to a server, as values that are checked when made. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Required, Self, TypedDict
from urllib.parse import urlencode

from client.protocol.exchange import Exchange
from client.protocol.target import Target
from sampler.arrays import LAYOUTS, Layout
from sampler.checks import require_bool, require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, last_step, step_keys, stream_keys
from sampler.wire.messages import MEDIA_TYPE

MAX_URL_LENGTH = 4000
"""Longer requests are sent by POST: many proxies refuse lines of more than 8192 bytes, some of more than 4096."""


class IndexOptions(TypedDict, total=False):
    """Keyword arguments of a batch by index."""

    seed: int
    epoch: int
    augment: bool


class StepOptions(TypedDict, total=False):
    """Keyword arguments of a batch by seed."""

    seed: int
    step: Required[int]
    batch_size: Required[int]
    rank: int
    world_size: int
    augment: bool


class StepsOptions(TypedDict, total=False):
    """Keyword arguments that say which steps to receive."""

    seed: Required[int]
    start: int
    stop: int | None
    batch_size: Required[int]
    augment: bool


class StreamOptions(StepsOptions, total=False):
    """Keyword arguments of a stream."""

    rank: int
    world_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What all requests have."""

    seed: int
    augment: bool = True
    layout: Layout = "compact"

    def __post_init__(self) -> None:
        self._require("seed", 0, SEED_LIMIT - 1)
        require_bool("augment", self.augment)
        require_layout(self.layout)

    def after_next(self) -> "StreamRequest | None":
        """Return the request for the batches after the next one; None if there are none."""
        return None

    def _require(self, field: str, low: int, high: int) -> None:
        # NumPy's integers, as a saved state may hold them, become plain ones: neither JSON nor msgpack encodes them.
        object.__setattr__(self, field, require_integer(field, getattr(self, field), low, high))

    def _parameters(self, target: Target) -> dict[str, Any]:
        return {"augment": self.augment, "layout": self.layout, **target.parameters}

    def _get(self, target: Target, path: str, parameters: dict[str, Any]) -> Exchange:
        # The order is fixed and commas are not escaped: equal requests have equal URLs, so that caches share them.
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
        url = f"{target.base_url}{path}?{urlencode(texts, safe=',')}"
        return self._exchange("GET", url, target)

    def _exchange(self, method: str, url: str, target: Target, body: dict[str, Any] | None = None) -> Exchange:
        return Exchange(
            method, url, media_type=MEDIA_TYPE, body=body, digest=target.digest, proxy=target.proxy, host=target.host
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest(_Request):
    """One batch by index: the samples (seed, epoch, index) for each of `indices`, in that order.

    Attributes:
        indices: 1 or more dataset indices, 0 … N−1.
        seed: 0 … 2⁶⁴−1.
        epoch: 0 … 2⁶³−1.
        augment: False for the fixed recipe.
        layout: how the batch travels.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    indices: tuple[int, ...]
    seed: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        if not self.indices:
            raise InvalidRequestError("indices", [], "at least one index")
        # The server names a field of the list in the same way.
        indices = [
            require_integer(f"indices[{at}]", index, 0, INDEX_LIMIT - 1) for at, index in enumerate(self.indices)
        ]
        object.__setattr__(self, "indices", tuple(indices))
        _Request.__post_init__(self)
        self._require("epoch", 0, EPOCH_LIMIT - 1)

    @classmethod
    def of(cls, indices: Iterable[int], **others: Any) -> Self:
        """Return the request for any iterable of integers, including NumPy arrays."""
        try:
            given = tuple(indices)
        except TypeError as error:
            raise InvalidRequestError("indices", indices, "a list of integers") from error
        return cls(indices=given, **others)

    @property
    def count(self) -> int:
        """Samples of the batch."""
        return len(self.indices)

    @property
    def step(self) -> None:
        """None: the batch belongs to no step."""
        return None

    def batch_keys(self, size: int) -> Iterator[list[SampleKey]]:  # noqa: ARG002 - one signature for all requests
        """Yield the keys of the batch, in order. size: N, the number of images."""
        yield [SampleKey(self.seed, self.epoch, index) for index in self.indices]

    def exchange(self, target: Target) -> Exchange:
        """Return the HTTP request: GET, or POST if the indices make the URL too long."""
        others = {"seed": self.seed, "epoch": self.epoch, **self._parameters(target)}
        get = self._get(target, "/v1/batches", {"indices": ",".join(map(str, self.indices)), **others})
        if len(get.url) <= MAX_URL_LENGTH:
            return get
        body = {"indices": list(self.indices), **others}
        url = f"{target.base_url}/v1/batches"
        return self._exchange("POST", url, target, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest(_Request):
    """One batch by seed: the part of one step that one rank takes.

    Attributes:
        seed: 0 … 2⁶⁴−1.
        step: 0 … 2⁶².
        shard: batch size, rank and world size.
        augment: False for the fixed recipe.
        layout: how the batch travels.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    step: int
    shard: Shard

    def __post_init__(self) -> None:
        _Request.__post_init__(self)
        self._require("step", 0, STEP_LIMIT)

    @property
    def count(self) -> int:
        """Samples of the batch."""
        return self.shard.count

    def batch_keys(self, size: int) -> Iterator[list[SampleKey]]:
        """Yield the keys of the batch, in stream order. size: N, the number of images."""
        yield step_keys(size, self.seed, self.step, self.shard)

    def exchange(self, target: Target) -> Exchange:
        parameters = {"seed": self.seed, "step": self.step, **_sharding(self.shard), **self._parameters(target)}
        return self._get(target, "/v1/batches", parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest(_Request):
    """The batches that one rank takes of the steps start … stop−1.

    Attributes:
        seed: 0 … 2⁶⁴−1.
        start: 0 … 2⁶².
        stop: start … 2⁶²; None for an endless stream.
        shard: batch size, rank and world size.
        augment: False for the fixed recipe.
        layout: how the batches travel.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    start: int
    stop: int | None
    shard: Shard

    def __post_init__(self) -> None:
        _Request.__post_init__(self)
        self._require("start", 0, STEP_LIMIT)
        if self.stop is not None:
            self._require("stop", self.start, STEP_LIMIT)

    @property
    def count(self) -> int:
        """Samples of each batch."""
        return self.shard.count

    @property
    def step(self) -> int:
        """The step of the next batch."""
        return self.start

    @property
    def empty(self) -> bool:
        """Whether there is no batch to request."""
        return self.start == self.stop

    def batch_keys(self, size: int) -> Iterator[list[SampleKey]]:
        """Yield the keys of each batch, in stream order. size: N, the number of images."""
        return stream_keys(size, self.seed, range(self.start, 1 << 63 if self.stop is None else self.stop), self.shard)

    def exchange(self, target: Target) -> Exchange:
        """Return the HTTP request for the stream from `start` on."""
        steps = {"start": self.start} if self.stop is None else {"start": self.start, "stop": self.stop}
        parameters = {"seed": self.seed, **steps, **_sharding(self.shard), **self._parameters(target)}
        return self._get(target, "/v1/stream", parameters)

    def after_next(self) -> "StreamRequest | None":
        """Return the request for the batches after the next one; None after `stop` or the last possible step."""
        if self.start + 1 == self.stop or self.start == last_step(self.shard):
            return None
        return replace(self, start=self.start + 1)


PACKED_OPTIONS = {"indices", *IndexOptions.__annotations__, *StepOptions.__annotations__}
"""Keyword arguments of `packed_batch` but `layout`."""

BatchRequest = IndexRequest | StepRequest
Request = IndexRequest | StepRequest | StreamRequest


def batch_request(
    indices: Iterable[int] | None,
    *,
    seed: int = 0,
    epoch: int = 0,
    step: int | None = None,
    batch_size: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    augment: bool = True,
    layout: Layout,
) -> BatchRequest:
    """Return the request for one batch: by index (`indices`) or by seed (`step` and `batch_size`), but not both."""
    if indices is not None:
        for field, value, default in (("step", step, None), ("batch_size", batch_size, None),
                                      ("rank", rank, 0), ("world_size", world_size, 1)):  # fmt: skip
            if value != default:
                raise InvalidRequestError(field, value, "nothing together with indices")
        return IndexRequest.of(indices, seed=seed, epoch=epoch, augment=augment, layout=layout)
    if step is None:
        raise InvalidRequestError("indices", None, "a list of indices, or step and batch_size instead")
    if epoch != 0:
        raise InvalidRequestError("epoch", epoch, "nothing together with step, which determines the epoch")
    if batch_size is None:
        raise InvalidRequestError("batch_size", None, "the batch size of all ranks together, with step")
    shard = Shard(batch_size, rank, world_size)
    return StepRequest(seed=seed, step=step, shard=shard, augment=augment, layout=layout)


def packed_request(
    given: BatchRequest | Iterable[int] | None, layout: Layout | None, default: Layout, **options: Any
) -> BatchRequest:
    """Return the request for one batch, which is given itself, or as the arguments of `batch_request`."""
    unknown = options.keys() - PACKED_OPTIONS
    if unknown:
        raise TypeError(f"packed_batch() got an unexpected keyword argument {min(unknown)!r}")
    if isinstance(given, StreamRequest):
        raise InvalidRequestError("request", given, "an IndexRequest or a StepRequest; packed_stream takes this one")
    if isinstance(given, IndexRequest | StepRequest):
        others = options if layout is None else options | {"layout": layout}
        if others:
            raise InvalidRequestError(min(others), others[min(others)], "nothing together with a request")
        return given
    indices = options.pop("indices", None)
    if given is not None and indices is not None:
        raise InvalidRequestError("indices", indices, "nothing together with other indices")
    return batch_request(indices if given is None else given, layout=layout or default, **options)


def stream_request(
    *,
    seed: int,
    start: int = 0,
    stop: int | None = None,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    augment: bool = True,
    layout: Layout,
) -> StreamRequest:
    """Return the request for a stream. Raises `InvalidRequestError` for a value out of range."""
    shard = Shard(batch_size, rank, world_size)
    return StreamRequest(seed=seed, start=start, stop=stop, shard=shard, augment=augment, layout=layout)


def require_layout(layout: object) -> Layout:
    """Return `layout` if it is one; raise `InvalidRequestError` otherwise."""
    for known in LAYOUTS:
        if layout == known:
            return known
    raise InvalidRequestError("layout", layout, f"one of {', '.join(LAYOUTS)}")


def _sharding(shard: Shard) -> dict[str, int]:
    return {"batch_size": shard.batch_size, "rank": shard.rank, "world_size": shard.world_size}
