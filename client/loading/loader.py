"""The function that makes a loader."""

from typing import Any, Required, TypedDict, Unpack, overload

from client.batches import Batch, TorchBatch
from client.errors import checked_arguments
from client.loading.settings import LoaderSettings
from client.loading.trainer.batch_loader import Loader
from client.protocol.requests import StreamRequest
from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.stream.shards import Shard

AHEAD = 2
"""With one batch in progress and one that is ready, a trainer that is slower than its loader never waits."""

LOG_EVERY = 60.0


class LoaderOptions(TypedDict, total=False):
    """The keyword arguments of `loader` other than `device`."""

    seed: Required[int]
    batch_size: Required[int]
    rank: int
    world_size: int
    start: int
    stop: int | None
    ahead: int
    augment: bool
    layout: Layout
    attempts: int | None
    max_wait: float | None
    timeout: float | None
    log_every: float | None


@overload
def loader(url: str, *, device: None = None, **options: Unpack[LoaderOptions]) -> Loader[Batch]: ...


@overload
def loader(url: str, *, device: Any, **options: Unpack[LoaderOptions]) -> Loader[TorchBatch]: ...


def loader(
    url: str,
    *,
    seed: int,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    start: int = 0,
    stop: int | None = None,
    ahead: int = AHEAD,
    device: Any = None,
    augment: bool = True,
    layout: Layout = "compact",
    attempts: int | None = None,
    max_wait: float | None = None,
    timeout: float | None = None,
    log_every: float | None = LOG_EVERY,
) -> Loader[Any]:
    """Return a loader of a rank's batches of the steps start … stop−1, in order.

    It receives and renders batches ahead of the training loop, in a process of its own. The batches are those of
    `SamplerClient.stream`, to the last bit. The process is started by the first batch or the `with` block.

    The loader has ahead + 4 slots of shared memory, each for the B samples of one batch. Without a device, a slot holds
    dense arrays: about 290 MB for B = 48 and 80 categories, so up to 1.7 GB with ahead = 2. With a device, it holds
    crops: 10 to 40 MB. Pages that were never written take no memory: a loop that drops each batch before the next uses
    about ahead + 2 slots. All of it counts in the trainer's memory cgroup.

    Args:
        url: of the server.
        seed: 0 … 2⁶⁴−1.
        batch_size: B, of all ranks together.
        rank: 0 … world_size−1.
        world_size: 1 … B.
        start: the first step, 0 … 2⁶².
        stop: the step to stop before; None for an endless loader.
        ahead: number of prefetched batches, 1 … 256.
        device: where PyTorch renders the batches, such as "cuda". Batches are then `TorchBatch` on that device.
            Without a device they are `Batch`, in memory shared with the loader worker.
        augment: False for the fixed recipe, without random decisions.
        layout: how batches travel; "compact" with a device.
        attempts: see `SamplerClient`; None for its default. The same goes for the next two.
        max_wait: in seconds.
        timeout: in seconds.
        log_every: seconds between two lines in the log (logger "saccade_client") that say how long the trainer waited
            for data; None for no lines.

    Raises:
        RequestRefusedError: a value is out of range, or torch does not find the device.
        MissingExtraError: a device was given, but torch is not installed.
    """
    with checked_arguments():
        if device is not None and layout != "compact":
            raise InvalidRequestError("layout", layout, "compact, to render batches on a device")
        shard = Shard(batch_size, rank, world_size)
        settings = LoaderSettings(
            url=url,
            request=StreamRequest(seed=seed, start=start, stop=stop, shard=shard, augment=augment, layout=layout),
            ahead=ahead,
            attempts=attempts,
            max_wait=max_wait,
            timeout=timeout,
            log_every=log_every,
        )
    settings.client().close()  # checks the client's settings before anything starts
    return Loader(settings, device)
