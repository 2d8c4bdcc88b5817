"""The settings of a loader, and the state that it resumes from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.credentials import Token
from client.errors import DigestMismatchError
from client.families import register_family
from client.fleet.addresses import ServerAddresses
from client.protocol.requests import StreamRequest
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RetrySettings, require_timeout
from client.protocol.session import Session
from client.protocol.target import GIVEN, Pins, require_dataset, require_digest
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.families.registry import registered_paths
from sampler.printable import printable
from sampler.stream.shards import STEP_LIMIT, Shard
from sampler.undisturbed import import_undisturbed
from sampler.wire.spec import ServiceSpec

if TYPE_CHECKING:
    from client.sync_client import SamplerClient

MAX_AHEAD = 256

LOADED = "as in the state that was loaded"
"""Says in the message of `Pins.require` where the expected digest comes from."""

_OTHER_IMAGES = "to go on with other images, load it with strict=False, or begin a new training"
REMEDIES = {
    "digest": "to go on with other samples, load it with allow_digest_change=True",
    "pixels": _OTHER_IMAGES,
    "substitutes": _OTHER_IMAGES,
}
"""What to do if a server has other digests than the state that was loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """Which batches of which servers a loader fetches, and how. Can be pickled.

    url: of the server, or several of them. request: the rank's part of the stream. dataset: name of one of the server's
    datasets; None for the first. digest: that the dataset must have; None for any. ahead: number of prefetched batches,
    1 … 256. attempts, max_wait, timeout: of the client that receives; None for its defaults. batch_seconds: the same;
    None for no limit. log_every: seconds between two log lines; None for no lines. token: None for that of the
    environment of the process that makes a client. ca: PEM file of the CA to trust; None for the default ones.
    families: import paths of the detector families that the trainer has registered.
    """

    url: str | tuple[str, ...]
    request: StreamRequest
    dataset: str | None = None
    digest: str | None = None
    ahead: int = 2
    attempts: int | None = None
    max_wait: float | None = None
    batch_seconds: float | None = BATCH_SECONDS
    timeout: float | None = None
    log_every: float | None = None
    token: Token | None = None
    ca: Path | None = None
    families: tuple[str, ...] = field(default_factory=registered_paths)

    def __post_init__(self) -> None:
        require_dataset(self.dataset)
        require_digest(self.digest)
        object.__setattr__(self, "ahead", require_integer("ahead", self.ahead, 1, MAX_AHEAD))
        if self.timeout is not None:
            if not isinstance(self.timeout, int | float):
                raise InvalidRequestError("timeout", self.timeout, "a number of seconds")
            require_timeout(self.timeout)
        for base in self.addresses.bases:
            Session(base.url, self.request.layout, self.dataset, use_proxies=False)
        RetrySettings(
            ATTEMPTS if self.attempts is None else self.attempts,
            MAX_WAIT if self.max_wait is None else self.max_wait,
            self.batch_seconds,
        )
        if self.log_every is not None and not self.log_every > 0:
            raise InvalidRequestError("log_every", self.log_every, "seconds, above 0, or None")

    @property
    def addresses(self) -> ServerAddresses:
        """The servers; names are not resolved."""
        return ServerAddresses.parse(self.url)

    @property
    def shown_url(self) -> str:
        """The URLs for messages: without user names and passwords."""
        return self.addresses.shown

    @property
    def options(self) -> dict[str, Any]:
        """The client's settings that are not its defaults, by name."""
        given = {
            "attempts": self.attempts, "max_wait": self.max_wait, "timeout": self.timeout,
            "token": self.token, "ca": self.ca, "digest": self.digest,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        return given | {"batch_seconds": self.batch_seconds}  # None is a value of it

    def client(self) -> "SamplerClient":
        """Return a client of the servers, in any process."""
        # Loads httpx, which a trainer does while the loader's process starts.
        kind: type[SamplerClient] = import_undisturbed("client.sync_client").SamplerClient
        for path in self.families:
            register_family(path)
        return kind(self.url, dataset=self.dataset, layout=self.request.layout, **self.options)

    def at(self, step: int) -> "LoaderSettings":
        return replace(self, request=replace(self.request, start=step))


def require_servable(shard: Shard, spec: ServiceSpec) -> None:
    """Raise `InvalidRequestError` if the server gives a rank fewer samples at once, the same for every rank."""
    most = shard.world_size * spec.max_batch
    if shard.batch_size > most:
        limit = f"the server's SAMPLER_MAX_BATCH = {spec.max_batch} for each rank"
        raise InvalidRequestError("batch_size", shard.batch_size, f"at most {most}, {limit}")


def state_of(request: StreamRequest, step: int, pins: Pins) -> dict[str, Any]:
    """Return the state whose next step is `step`. The digest stands for the dataset, whose name may change."""
    shard = request.shard
    place = {"batch_size": shard.batch_size, "world_size": shard.world_size, "rank": shard.rank}
    return {"step": step, "seed": request.seed, **place, **asdict(pins)}


def pins_of(state: Mapping[str, Any], given: str | None, *, strict: bool, allow_digest_change: bool) -> Pins:
    """Return the digests that a server must have once a state is loaded. States of older versions have only `digest`.

    None of those in the state unless `strict`. With `allow_digest_change`, the images must be the same all the same.

    Args:
        state: from `state_of`.
        given: the digest that the loader was made with, which counts in any case; None for any.
        strict: see `Loader.load_state_dict`.
        allow_digest_change: see there.

    Raises:
        DigestMismatchError: the state has another digest than the one given.
    """
    if not strict:
        return Pins(given)
    digest = None if allow_digest_change else state["digest"]
    if given is not None and digest not in (None, given):
        message = f"state: digest {printable(str(digest))}: expected {given}, {GIVEN}; {REMEDIES['digest']}"
        raise DigestMismatchError(message, expected=given, actual=str(digest))
    return Pins(given or digest, state.get("pixels"), state.get("substitutes"))


def resumed_step(state: Mapping[str, Any], request: StreamRequest, *, strict: bool) -> int:
    """Return the step that a state resumes at.

    World size and rank may differ from the state's: a step has the same stream positions for all of them. Another seed
    or batch size means other samples. Unless `strict` is False, they raise `InvalidRequestError`.

    Of k workers, one that has given its last step continues up to k − 1 steps past `stop`, where it has none left. If
    the run is resumed with a later `stop`, its next step is that one.
    """
    missing = [name for name in ("step", "seed", "batch_size", "digest") if name not in state]
    if missing:
        raise InvalidRequestError("state", sorted(state), f"a result of state_dict(); {', '.join(missing)} missing")
    part = worker_of(state)
    past = 0 if part is None else part[1] - 1
    step = require_integer("state.step", state["step"], 0, STEP_LIMIT + past)
    if strict:
        require_same_samples(state, request.seed, request.shard.batch_size, "as in this loader; or use strict=False")
    if request.stop is not None and step > request.stop + past:
        remedy = "the checkpoint is past it: raise stop, or choose another checkpoint"
        raise InvalidRequestError("state.step", step, f"at most stop = {request.stop}; {remedy}")
    return step


def require_same_samples(state: Mapping[str, Any], seed: int, batch_size: int, advice: str) -> None:
    """Raise `InvalidRequestError` for a state with another seed or batch size. advice: the end of the message."""
    for name, own in (("seed", seed), ("batch_size", batch_size)):
        if state[name] != own:
            raise InvalidRequestError(f"state.{name}", state[name], f"{own}, {advice}")


def worker_of(state: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the number of the DataLoader worker that a state belongs to, and how many there are; None for all."""
    if "workers" not in state:
        return None
    workers = require_integer("state.workers", state["workers"], 1, STEP_LIMIT)
    return require_integer("state.worker", state.get("worker"), 0, workers - 1), workers


def require_all_steps(state: Mapping[str, Any]) -> None:
    """Raise `InvalidRequestError` for the state of one DataLoader worker: the others may be at other steps."""
    if "workers" in state:
        found = f"worker {state.get('worker')} of {state['workers']}"
        raise InvalidRequestError("state", found, "the state of a loader, or of a dataset without workers")
