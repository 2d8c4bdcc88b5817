"""The loader for training loops: the function that makes one."""

from typing import Any, overload

from client.batches.batch import Batch, TorchBatch
from client.errors import checked_arguments
from client.loading.settings import LoaderSettings, asked
from client.loading.trainer.batch_loader import Loader
from sampler.arrays import Layout

AHEAD = 2
"""With one batch under way and one that waits, a trainer that is slower than its loader never waits."""

LOG_EVERY = 60.0


@overload
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
    device: None = None,
    augment: bool = True,
    layout: Layout = "compact",
    attempts: int | None = None,
    max_wait: float | None = None,
    timeout: float | None = None,
    log_every: float | None = LOG_EVERY,
) -> Loader[Batch]: ...


@overload
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
    device: Any,
    augment: bool = True,
    layout: Layout = "compact",
    attempts: int | None = None,
    max_wait: float | None = None,
    timeout: float | None = None,
    log_every: float | None = LOG_EVERY,
) -> Loader[TorchBatch]: ...


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
    """Return a loader of a rank's batches of the steps start … stop−1, in order; endless without `stop`.

    url: of the server. seed, batch_size, rank, world_size, start, stop, augment, layout: as for
    `SamplerClient.stream`, and the batches are the same to the last bit. ahead: how many batches are received and
    rendered ahead, 1 … 256. device: where to render, such as "cuda"; then batches are `TorchBatch` on that device, and
    travel as crops until there. Without, they are `Batch`, in memory shared with the loader's process. attempts,
    max_wait, timeout (seconds): as for `SamplerClient`, whose own values hold where None. log_every: seconds between
    lines of log (logger "saccade_client") that say how long the trainer waited for data; None for no lines.

    The loader takes ahead + 4 slots of shared memory, each for B samples as they travel to the trainer. Without a
    device these are dense: about 290 MB a slot for B = 48 with 80 categories, so up to 1.7 GB with ahead = 2. With
    one they are crops: 10 to 40 MB a slot. Pages that were never written cost nothing: a loop that lets go of each
    batch for the next one touches about ahead + 2 slots, one that keeps batches all of them. All of it counts in the
    trainer's memory cgroup.

    Nothing is started yet, see `Loader`. Raises `RequestRefusedError` for a value out of range or a device that
    torch does not find here, `MissingExtraError` for a device where torch is not installed.
    """
    with checked_arguments():
        request = asked(
            seed=seed, batch_size=batch_size, rank=rank, world_size=world_size, start=start, stop=stop,
            augment=augment, layout=layout, render_elsewhere=device is not None,
        )  # fmt: skip
        settings = LoaderSettings(
            url=url, request=request, ahead=ahead, attempts=attempts, max_wait=max_wait, timeout=timeout,
            log_every=log_every,
        )  # fmt: skip
    settings.client().close()  # a setting out of range is told before anything starts
    return Loader(settings, device)
