"""A loader's batches as a dataset for PyTorch's DataLoader. Needs torch.

    dataset = client.loader("http://cpu-host:8000", seed=7, batch_size=48, stop=500_000).dataset()
    for batch in DataLoader(dataset, batch_size=None, num_workers=2): ...

Without DataLoader workers, batches come from the loader's process. With k workers, each receives and renders every k-th
step itself. DataLoader takes from its workers in turn, so that all steps come in order, each once.
"""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

from torch.utils.data import get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

from client.batches import Batch, TorchBatch
from client.errors import RequestRefusedError, checked_arguments
from client.loading.loader import Loader
from client.loading.settings import LOADED, REMEDIES, LoaderSettings, pins_of, resumed_step, state_of, worker_of
from client.loading.stateful_dataset import StatefulDataset
from client.loading.trainer.accelerate_use import require_own_batches
from client.protocol.requests import StreamRequest
from client.protocol.target import Pins
from sampler.stream.shards import Shard


class BatchDataset(StatefulDataset):
    """Batches of a loader's process or, in a worker of DataLoader, of a client."""

    def __init__(self, settings: LoaderSettings) -> None:
        """Make a dataset: see `Loader.dataset`."""
        super().__init__()
        self._settings = settings
        self._next_step = settings.request.start
        self._pins = Pins(settings.digest)
        self._part: tuple[int, int] | None = None
        self._loaded = False

    def __len__(self) -> int:
        request = self._settings.request
        if request.stop is None:
            raise TypeError("an endless dataset has no length: use loader(…, stop=…)")
        return request.stop - request.start

    def __iter__(self) -> Generator[TorchBatch[int]]:
        if not self._loaded:
            self._next_step, self._part = self._settings.request.start, None
        self._loaded = False
        first, info = self._next_step, get_worker_info()
        part = None if info is None else (info.id, info.num_workers)
        if self._part is not None and self._part != part:
            here = "without workers" if part is None else "in worker {} of {}".format(*part)
            raise RequestRefusedError("a state of worker {} of {} loaded {}".format(*self._part, here))
        if part is None:
            return self._from_loader(first)
        return self._from_server(first if self._part else first + part[0], part)

    def set_epoch(self, _epoch: int) -> None:
        """Do nothing: epochs follow from the steps. Accelerate calls it before each iteration.

        Raises:
            RequestRefusedError: Accelerate would give the batches of this rank to other processes.
        """
        require_own_batches(self)

    def state_dict(self) -> dict[str, Any]:
        state = state_of(self._settings.request, self._next_step, self._pins)
        return state if self._part is None else state | {"worker": self._part[0], "workers": self._part[1]}

    def load_state_dict(
        self, state: Mapping[str, Any], *, strict: bool = True, allow_digest_change: bool = False
    ) -> None:
        with checked_arguments():
            step, part = resumed_step(state, self._settings.request, strict=strict), worker_of(state)
        self._pins = pins_of(state, self._settings.digest, strict=strict, allow_digest_change=allow_digest_change)
        self._next_step, self._part, self._loaded = step, part, True

    def _from_loader(self, first: int) -> Generator[TorchBatch[int]]:
        batches = Loader[Batch[int]](self._settings)
        batches.load_state_dict(state_of(self._settings.request, first, self._pins))
        with batches:
            self._pins = Pins.of(batches.spec())
            for batch in batches:
                self._next_step = batch.step + 1
                yield batch.torch()

    def _from_server(self, first: int, part: tuple[int, int]) -> Generator[TorchBatch[int]]:
        workers = part[1]
        self._part, self._next_step = part, first
        request = every_nth_step(self._settings.request, first, workers)
        with self._settings.client() as client:
            spec = client.pinned_spec(self._pins, LOADED, REMEDIES)
            self._pins = Pins.of(spec)
            with closing(client.packed_stream(request)) as batches:
                for packed, step in zip(batches, count(first, workers), strict=False):
                    self._next_step = step + workers
                    batch = packed.render().torch()
                    yield replace(batch, step=step)  # type: ignore[arg-type] # mypy does not see the int of Batch[int]


def _refuse_collation(_batches: list[Any], **_named: Any) -> None:
    raise RequestRefusedError("the items of this dataset are batches already: use DataLoader(dataset, batch_size=None)")


default_collate_fn_map[TorchBatch] = _refuse_collation  # for a DataLoader with a batch_size, in its workers too


def every_nth_step(request: StreamRequest, first: int, n: int) -> StreamRequest:
    """Return the request for the steps first, first + n, … of `request`, as the steps of a wider stream.

    A step t of n times the batch size has the positions of the n steps t·n … t·n + n − 1. With n times the world size,
    a rank of it has the positions of one rank in one of these steps, because for step t·n + l,
    ⌊(l·W + r)·nB / nW⌋ = l·B + ⌊r·B / W⌋. So the server streams every n-th step without knowing.
    """
    offset, shard = first % n, request.shard
    wide = Shard(n * shard.batch_size, offset * shard.world_size + shard.rank, n * shard.world_size)
    start = first // n
    stop = None if request.stop is None else max(start, -((offset - request.stop) // n))
    return replace(request, start=start, stop=stop, shard=wide)
