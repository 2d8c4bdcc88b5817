"""What a loader is asked for, and the state that it resumes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from client.errors import DigestMismatchError
from client.families import register_family
from client.protocol.requests import StreamRequest
from client.protocol.retries import MAX_ATTEMPTS
from client.sync_client import SamplerClient
from sampler.arrays import Layout
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.families.registry import registered_paths
from sampler.stream.shards import STEP_LIMIT, Shard
from sampler.wire.spec import ServiceSpec

MOST_AHEAD = 256

LOADED = "in the state that was loaded"
"""Where a digest that is expected comes from: see `require_digest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """A loader as a value: which batches, of which server, and how; it can be pickled.

    request: the rank's part of the stream. ahead: batches kept ahead of the trainer, 1 … 256. attempts, max_wait,
    timeout: of the client that receives; None for its own. log_every: seconds between two lines of log, None for no
    lines. families: import paths of the detector families that the trainer has registered.
    """

    url: str
    request: StreamRequest
    ahead: int = 2
    attempts: int | None = None
    max_wait: float | None = None
    timeout: float | None = None
    log_every: float | None = None
    families: tuple[str, ...] = field(default_factory=registered_paths)

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` that names the field, its value and its range."""
        object.__setattr__(self, "ahead", require_integer("ahead", self.ahead, 1, MOST_AHEAD))
        if self.attempts is not None:  # a plain integer, for it is sent to a process
            object.__setattr__(self, "attempts", require_integer("attempts", self.attempts, 1, MAX_ATTEMPTS))
        if self.timeout is not None and not isinstance(self.timeout, int | float):
            raise InvalidRequestError("timeout", self.timeout, "seconds, as a number that can be sent to a process")
        if self.log_every is not None and not self.log_every > 0:
            raise InvalidRequestError("log_every", self.log_every, "seconds, above 0, or None")

    @property
    def options(self) -> dict[str, Any]:
        """The client's settings that were given, by name."""
        given = {"attempts": self.attempts, "max_wait": self.max_wait, "timeout": self.timeout}
        return {name: value for name, value in given.items() if value is not None}

    def client(self) -> SamplerClient:
        """Return a client of the server, in any process. Raises `RequestRefusedError` for a setting out of range."""
        for path in self.families:
            register_family(path)
        return SamplerClient(self.url, layout=self.request.layout, **self.options)

    def at(self, step: int) -> "LoaderSettings":
        """Return the same, beginning at another step."""
        return replace(self, request=replace(self.request, start=step))


def asked(
    *,
    seed: int,
    batch_size: int,
    rank: int,
    world_size: int,
    start: int,
    stop: int | None,
    augment: bool,
    layout: Layout,
    render_elsewhere: bool,
) -> StreamRequest:
    """Return the request that a loader's arguments stand for. Raises `InvalidRequestError`."""
    if render_elsewhere and layout != "compact":
        raise InvalidRequestError("layout", layout, "compact, where batches are rendered on a device")
    shard = Shard(batch_size, rank, world_size)
    return StreamRequest(seed=seed, start=start, stop=stop, shard=shard, augment=augment, layout=layout)


def state_of(request: StreamRequest, step: int, digest: str | None) -> dict[str, Any]:
    """Return the state in which `step` is the next one to hand out."""
    shard = request.shard
    return {
        "step": step,
        "seed": request.seed,
        "batch_size": shard.batch_size,
        "world_size": shard.world_size,
        "rank": shard.rank,
        "digest": digest,
    }


def resumed_step(state: Mapping[str, Any], request: StreamRequest, *, strict: bool) -> int:
    """Return the step that a state resumes at.

    A step is the same stream positions for every world size and rank, so these two may differ from the state's. With
    another seed or batch size it is other samples: refused with `InvalidRequestError`, unless not `strict`.
    """
    missing = [name for name in ("step", "seed", "batch_size", "digest") if name not in state]
    if missing:
        raise InvalidRequestError("state", sorted(state), f"what state_dict() gives; {', '.join(missing)} missing")
    step = require_integer("state.step", state["step"], 0, STEP_LIMIT)
    if request.stop is not None and step > request.stop:
        raise InvalidRequestError("state.step", step, f"at most stop = {request.stop}")
    for name, own in (("seed", request.seed), ("batch_size", request.shard.batch_size)):
        if strict and state[name] != own:
            raise InvalidRequestError(f"state.{name}", state[name], f"{own}, as this loader has; or strict=False")
    return step


def require_whole(state: Mapping[str, Any]) -> None:
    """Raise `InvalidRequestError` for the state of one worker of several: the others may be at other steps."""
    if "workers" in state:
        found = f"worker {state.get('worker')} of {state['workers']}"
        raise InvalidRequestError("state", found, "the state of a loader, or of a dataset without workers")


def require_digest(expected: str | None, spec: ServiceSpec, url: str, since: str) -> None:
    """Raise `DigestMismatchError` where a server makes other samples than expected. None: any.

    since: where the expectation comes from, for the message.
    """
    if expected is not None and expected != spec.digest:
        message = f"{url}: digest {spec.digest}: expected {expected}, as {since}"
        raise DigestMismatchError(message, expected=expected, actual=spec.digest)
