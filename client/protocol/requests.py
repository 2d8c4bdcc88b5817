"""What can be asked of a server, as values: checked when made, free of I/O.

Every request knows its place on the server, its parameters, and the keys that the answer must have.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from sampler.arrays import LAYOUTS, Layout
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.keys import EPOCH_LIMIT, INDEX_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, last_step, step_keys
from sampler.wire.spec import ServiceSpec

LONGEST_URL = 4000
"""Characters of a URL past which a batch is asked for by POST: many proxies refuse lines of 8192 bytes, some 4096."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An HTTP request: method, URL, and the JSON body of a POST."""

    method: str
    url: str
    body: dict[str, Any] | None = None

    @property
    def place(self) -> str:
        """Method and URL without the query, for messages."""
        return f"{self.method} {self.url.partition('?')[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """One batch of the samples (seed, epoch, index) for each of `indices`, in that order.

    indices: 1 or more dataset indices, 0 … N−1. seed: 0 … 2⁶⁴−1. epoch: 0 … 2⁶³−1.
    """

    indices: tuple[int, ...]
    seed: int = 0
    epoch: int = 0
    augment: bool = True
    layout: Layout = "compact"

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` that names the field, its value and its range."""
        if not self.indices:
            raise InvalidRequestError("indices", [], "at least one index")
        object.__setattr__(self, "indices", _require_indices(self.indices))
        _make_plain(self, "seed", 0, SEED_LIMIT - 1)
        _make_plain(self, "epoch", 0, EPOCH_LIMIT - 1)
        _require_manner(self.augment, self.layout)

    @classmethod
    def of(cls, indices: Iterable[int], **others: Any) -> Self:
        """Return the request for any iterable of integers, NumPy's among them."""
        try:
            given = tuple(indices)
        except TypeError as error:
            raise InvalidRequestError("indices", indices, "a list of integers") from error
        return cls(indices=_require_indices(given), **others)

    @property
    def step(self) -> None:
        """No step: the batch is named by its keys."""
        return None

    def expected_keys(self, spec: ServiceSpec) -> list[SampleKey]:  # noqa: ARG002 - one signature for all requests
        """Return the keys of the batch, in order."""
        return [SampleKey(self.seed, self.epoch, index) for index in self.indices]

    def outgoing(self, base_url: str, digest: str) -> Outgoing:
        """Return the HTTP request: GET, or POST where the list of indices would make the URL too long."""
        others: dict[str, Any] = {"seed": self.seed, "epoch": self.epoch, **_manner(self, digest)}
        url = f"{base_url}/v1/batches"
        get = _get(url, {"indices": ",".join(map(str, self.indices)), **others})
        if len(get.url) <= LONGEST_URL:
            return get
        return Outgoing("POST", url, {"indices": list(self.indices), **others})

    def after_next(self) -> None:
        """Return what is left to ask for once the next batch is there: nothing."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """The batch that one rank takes of one step of a seed's stream. step: 0 … 2⁶²."""

    seed: int
    step: int
    shard: Shard
    augment: bool = True
    layout: Layout = "compact"

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` that names the field, its value and its range."""
        _make_plain(self, "seed", 0, SEED_LIMIT - 1)
        _make_plain(self, "step", 0, STEP_LIMIT)
        _require_manner(self.augment, self.layout)

    def expected_keys(self, spec: ServiceSpec) -> list[SampleKey]:
        """Return the keys of the batch, in stream order."""
        return step_keys(spec.size, self.seed, self.step, self.shard)

    def outgoing(self, base_url: str, digest: str) -> Outgoing:
        """Return the HTTP request."""
        fields = {"seed": self.seed, "step": self.step, **_sharding(self.shard), **_manner(self, digest)}
        return _get(f"{base_url}/v1/batches", fields)

    def after_next(self) -> None:
        """Return what is left to ask for once the next batch is there: nothing."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """The batches that one rank takes of the steps from `start` up to, not including, `stop` (None: endless)."""

    seed: int
    start: int
    stop: int | None
    shard: Shard
    augment: bool = True
    layout: Layout = "compact"

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` that names the field, its value and its range."""
        _make_plain(self, "seed", 0, SEED_LIMIT - 1)
        _make_plain(self, "start", 0, STEP_LIMIT)
        if self.stop is not None:
            _make_plain(self, "stop", self.start, STEP_LIMIT)
        _require_manner(self.augment, self.layout)

    @property
    def step(self) -> int:
        """The step of the next batch."""
        return self.start

    @property
    def empty(self) -> bool:
        """Whether there is no batch to ask for."""
        return self.start == self.stop

    def expected_keys(self, spec: ServiceSpec) -> list[SampleKey]:
        """Return the keys of the next batch, in stream order."""
        return step_keys(spec.size, self.seed, self.start, self.shard)

    def outgoing(self, base_url: str, digest: str) -> Outgoing:
        """Return the HTTP request for the stream from the next batch on."""
        stop = {} if self.stop is None else {"stop": self.stop}
        fields = {"seed": self.seed, "start": self.start, **stop, **_sharding(self.shard), **_manner(self, digest)}
        return _get(f"{base_url}/v1/stream", fields)

    def after_next(self) -> "StreamRequest | None":
        """Return what is left to ask for once the next batch is there: None behind `stop` or the last step there is."""
        if self.start + 1 == self.stop or self.start == last_step(self.shard):
            return None
        return replace(self, start=self.start + 1)


BatchRequest = IndexRequest | StepRequest
Request = IndexRequest | StepRequest | StreamRequest


def batch_request(
    indices: Iterable[int] | None,
    *,
    seed: int,
    epoch: int,
    step: int | None,
    batch_size: int | None,
    rank: int,
    world_size: int,
    augment: bool,
    layout: Layout,
) -> BatchRequest:
    """Return the request for one batch, by index or by seed.

    Raises `InvalidRequestError` where neither or both are asked for, and for values out of range.
    """
    if indices is not None:
        for field, value, default in (("step", step, None), ("batch_size", batch_size, None),
                                      ("rank", rank, 0), ("world_size", world_size, 1)):  # fmt: skip
            if value != default:
                raise InvalidRequestError(field, value, "nothing beside indices")
        return IndexRequest.of(indices, seed=seed, epoch=epoch, augment=augment, layout=layout)
    if step is None:
        raise InvalidRequestError("indices", None, "a list of indices, or step and batch_size instead")
    if epoch != 0:
        raise InvalidRequestError("epoch", epoch, "nothing beside step, which says the epoch itself")
    shard = _shard(batch_size, rank, world_size)
    return StepRequest(seed=seed, step=step, shard=shard, augment=augment, layout=layout)


def stream_request(
    *,
    seed: int,
    start: int,
    stop: int | None,
    batch_size: int,
    rank: int,
    world_size: int,
    augment: bool,
    layout: Layout,
) -> StreamRequest:
    """Return the request for a stream. Raises `InvalidRequestError` for values out of range."""
    shard = _shard(batch_size, rank, world_size)
    return StreamRequest(seed=seed, start=start, stop=stop, shard=shard, augment=augment, layout=layout)


def _shard(batch_size: int | None, rank: int, world_size: int) -> Shard:
    # Shard checks the rest; None would read as "not an integer", which does not say that it is missing.
    if batch_size is None:
        raise InvalidRequestError("batch_size", None, "the batch size of all ranks together, with step")
    return Shard(batch_size, rank, world_size)


def _require_indices(indices: Sequence[object]) -> tuple[int, ...]:
    # The field is named as the server names it.
    numbered = enumerate(indices)
    return tuple(require_integer(f"indices[{place}]", index, 0, INDEX_LIMIT - 1) for place, index in numbered)


def _make_plain(request: Request, field: str, low: int, high: int) -> None:
    # NumPy's integers become plain ones, as a state that was saved may hold: neither JSON nor msgpack writes them.
    object.__setattr__(request, field, require_integer(field, getattr(request, field), low, high))


def _require_manner(augment: object, layout: object) -> None:
    if not isinstance(augment, bool):
        raise InvalidRequestError("augment", augment, "true or false")
    require_layout(layout)


def _manner(request: Request, digest: str) -> dict[str, Any]:
    return {"augment": request.augment, "layout": request.layout, "digest": digest}


def _sharding(shard: Shard) -> dict[str, int]:
    return {"batch_size": shard.batch_size, "rank": shard.rank, "world_size": shard.world_size}


def _get(url: str, fields: dict[str, Any]) -> Outgoing:
    # Every parameter in one fixed order and commas as they are: equal requests have equal URLs, so caches share them.
    plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in fields.items()}
    return Outgoing("GET", f"{url}?{urlencode(plain, safe=',')}")


def require_layout(layout: object) -> Layout:
    """Return `layout` if it is one; raise `InvalidRequestError` otherwise."""
    for known in LAYOUTS:
        if layout == known:
            return known
    raise InvalidRequestError("layout", layout, f"one of {', '.join(LAYOUTS)}")
