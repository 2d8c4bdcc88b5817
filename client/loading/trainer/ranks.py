"""Whether the ranks of a distributed training get samples of the same dataset.

Ranks that talk to different servers may meet different digests at first contact. Each would go on with its own, and the
training with a mixture of both.
"""

import json
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from client.errors import ClientError, DigestMismatchError
from client.loading.settings import LoaderSettings
from client.protocol.target import Pins
from sampler.printable import printable
from sampler.stream.shards import Shard

log = logging.getLogger("saccade_client")

WAIT_SECONDS = 60.0
"""How long a rank waits for the others to start their loaders."""

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5
"""Seconds between two looks at the store, which all ranks share."""

FIELDS = ("digest", "pixels", "substitutes")

REMEDY = "update the servers of all ranks, or give every rank the same digest="


class RankComparison:
    """The comparison of a loader, which all ranks make once: ranks that repeat it alone would wait for nobody."""

    def __init__(self) -> None:
        self._made = False
        self._error: ClientError | None = None

    def require(self, settings: LoaderSettings, pins: Pins) -> None:
        """Compare digests if that was not done: see `compare_digests`. Raises the error of the first comparison."""
        if not self._made:
            self._made = True
            try:
                compare_digests(settings, pins)
            except ClientError as error:
                self._error = error
        if self._error is not None:
            raise self._error


def compare_digests(settings: LoaderSettings, pins: Pins) -> None:
    """Compare the digests of all ranks, if this process has initialised torch.distributed.

    It applies if rank and world size of the loader are those of the process group. Each rank posts its digests to the
    group's store and reads those of the others, which takes no collective operation and no GPU. A rank that waits too
    long for others continues with a warning; they compare theirs with its own once they start.

    Raises:
        DigestMismatchError: ranks have different digests. All ranks raise it.
        ClientError: the store cannot be reached.
    """
    store = _store(settings)
    if store is None:
        return
    request, shard = settings.request, settings.request.shard
    stream = f"saccade-sampler/{request.seed}/{shard.batch_size}/{request.augment}/{settings.dataset}"
    try:
        found = _exchange(store, stream, shard, pins)
    except RuntimeError as error:  # torch's DistNetworkError, for example
        cause = printable(" ".join(str(error).split()))
        raise ClientError(f"the digests of the ranks cannot be compared: {cause}: is rank 0 still alive?") from error
    require_equal(found)


def _exchange(store: Any, stream: str, shard: Shard, pins: Pins) -> dict[int, Pins]:
    """Return the digests of the ranks, or only those of this one if they are the same for all.

    Each rank compares its digests with those that were posted first. Only if any are different, all are read: hundreds
    of ranks would take long to read hundreds of values each.
    """
    posted = json.dumps(asdict(pins))
    # The store counts the loaders of each rank: the n-th of a rank is compared with the n-th of the others.
    number = store.add(f"{stream}/{shard.rank}", 1)
    place = f"{stream}/{number}"
    store.set(f"{place}/{shard.rank}", posted)
    if store.compare_set(f"{place}/first", "", posted) != posted.encode():
        store.add(f"{place}/different", 1)
    store.add(f"{place}/arrived", 1)
    ranks: Iterable[int] = range(shard.world_size)
    if not _all_arrive(store, f"{place}/arrived", shard.world_size):
        late = [rank for rank in ranks if store.add(f"{stream}/{rank}", 0) < number]
        message = "%s did not start a loader within %.0f s: their digests are not compared here"
        log.warning(message, _named(late), WAIT_SECONDS)
        ranks = [rank for rank in ranks if rank not in late]
    if not store.add(f"{place}/different", 0):
        return {shard.rank: pins}
    return {rank: Pins(**json.loads(store.get(f"{place}/{rank}"))) for rank in ranks}


def _all_arrive(store: Any, counter: str, count: int) -> bool:
    """Wait until all ranks have arrived, and return True; or False when time is over."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, FIRST_PAUSE
    while store.add(counter, 0) < count:  # `store.wait` would not react to Ctrl-C
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return True


def require_equal(pins: dict[int, Pins]) -> None:
    """Raise `DigestMismatchError` unless all ranks have the same digests. None is equal to every other."""
    for field in FIELDS:
        ranks: dict[str, list[int]] = defaultdict(list)
        for rank, given in pins.items():
            if (value := getattr(given, field)) is not None:
                ranks[printable(str(value))].append(rank)
        if len(ranks) > 1:
            found = ", ".join(f"{value} at {_named(having)}" for value, having in ranks.items())
            expected, actual, *_ = ranks
            raise DigestMismatchError(
                f"the ranks of this training have different datasets: {field} {found}: {REMEDY}",
                field=field, expected=expected, actual=actual,
            )  # fmt: skip


def _store(settings: LoaderSettings) -> Any:
    """Return the store of torch's process group; None if there is none that this loader is a rank of."""
    distributed = sys.modules.get("torch.distributed")  # never imported here
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    data = sys.modules.get("torch.utils.data")
    if data is not None and data.get_worker_info() is not None:
        return None  # a worker of a DataLoader is not a rank, and shares the sockets of one if it was forked
    shard = settings.request.shard
    if (distributed.get_world_size(), distributed.get_rank()) != (shard.world_size, shard.rank):
        return None
    return None if shard.world_size == 1 else distributed.distributed_c10d._get_default_store()


def _named(ranks: list[int]) -> str:
    numbers = ", ".join(map(str, ranks))
    return f"rank {numbers}" if len(ranks) == 1 else f"ranks {numbers}"
