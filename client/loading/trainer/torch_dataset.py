"""A loader's batches as a dataset for PyTorch's DataLoader. Needs torch.

    dataset = client.loader("http://cpu-host:8000", seed=7, batch_size=48, stop=500_000).dataset()
    for batch in DataLoader(dataset, batch_size=None, num_workers=2): ...

Without workers, batches come from the loader's process. With k workers, each of them receives and renders every k-th
step itself, and DataLoader, which takes from its workers in turn, gives all of them in step order, each once.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from client.batches.batch import TorchBatch
from client.batches.packed import PackedBatch
from client.errors import RequestRefusedError, checked_arguments
from client.loading.settings import LOADED, LoaderSettings, require_digest, resumed_step, state_of
from client.loading.trainer.batch_loader import Loader
from client.protocol.requests import StreamRequest
from sampler.stream.shards import Shard


class BatchDataset(IterableDataset):  # type: ignore[misc] # torch is followed by no type checker here
    """The batches of a loader's settings, as `TorchBatch`, already batched: DataLoader takes it with batch_size=None.

    It can be pickled, so DataLoader may fork or spawn its workers. `state_dict` and `load_state_dict` are as
    torchdata's StatefulDataLoader calls them, in each worker or, without workers, in the trainer. A plain DataLoader
    with workers calls neither: there, the state to save is {**dataset.state_dict(), "step": batch.step + 1}, to be
    loaded before DataLoader begins. It then holds for every iteration, for workers cannot tell the trainer's dataset
    that one has begun: to begin at `start` again, make a new dataset.
    """

    def __init__(self, settings: LoaderSettings) -> None:
        """Contact nobody yet."""
        super().__init__()
        self._settings = settings
        self._next_step = settings.request.start
        self._digest: str | None = None
        self._part: tuple[int, int] | None = None
        self._loaded = False

    def __len__(self) -> int:
        """How many batches there are from `start` to `stop`. Raises TypeError without a `stop`."""
        request = self._settings.request
        if request.stop is None:
            raise TypeError("this dataset has no stop, and no length: expected loader(…, stop=…)")
        return request.stop - request.start

    def __iter__(self) -> Iterator[TorchBatch]:
        """Yield the batches from `start`, or from the step of a state that was loaded before; in a worker, its part.

        Raises what `Loader` raises. DataLoader raises a worker's error in the trainer, of the same type and with the
        message, but without further attributes.
        """
        if not self._loaded:
            self._next_step, self._part = self._settings.request.start, None
        self._loaded = False
        begin, info = self._next_step, get_worker_info()
        part = None if info is None else (info.id, info.num_workers)
        if self._part is not None and self._part != part:
            here = "without workers" if part is None else "in worker {} of {}".format(*part)
            raise RequestRefusedError("a state of worker {} of {} loaded {}".format(*self._part, here))
        if part is None:
            return self._from_loader(begin)
        return self._from_server(begin if self._part else begin + part[0], part)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from, as `Loader.state_dict` does; a worker's says further whose it is."""
        state = state_of(self._settings.request, self._next_step, self._digest)
        return state if self._part is None else state | {"worker": self._part[0], "workers": self._part[1]}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Begin the next iteration at the step of a state, as `Loader.load_state_dict` does, with the same errors.

        In the workers of a plain DataLoader, that is each of its iterations.
        """
        with checked_arguments():
            self._next_step = resumed_step(state, self._settings.request, strict=strict)
        self._digest = state["digest"] if strict else None
        self._part = (state["worker"], state["workers"]) if "workers" in state else None
        self._loaded = True

    def _from_loader(self, begin: int) -> Iterator[TorchBatch]:
        batches = Loader[Any](self._settings)
        batches.load_state_dict(state_of(self._settings.request, begin, self._digest))
        with batches:
            for batch in batches:
                self._next_step, self._digest = batch.step + 1, batch.digest
                yield batch.torch()

    def _from_server(self, begin: int, part: tuple[int, int]) -> Iterator[TorchBatch]:
        workers = part[1]
        self._part, self._next_step = part, begin
        request = every_nth_step(self._settings.request, begin, workers)
        with self._settings.client() as client:
            require_digest(self._digest, client.spec(), self._settings.url, LOADED)
            with closing(client.packed_stream(request)) as batches:
                for packed, step in zip(batches, count(begin, workers), strict=False):
                    self._next_step, self._digest = step + workers, packed.spec.digest
                    yield replace(_rendered(packed), step=step)


def every_nth_step(request: StreamRequest, begin: int, n: int) -> StreamRequest:
    """Return the request for the steps begin, begin + n, … of `request`, as one for the steps of a wider stream.

    A step t of n times the batch size has the positions of n steps, t·n … t·n + n − 1, one beneath the other; with n
    times the world size, the part of one rank is that of this rank in one of these steps: for step t·n + l it is
    ⌊(l·W + r)·nB / nW⌋ = l·B + ⌊r·B / W⌋. So the server streams every n-th step, and need not know.
    """
    lane, shard = begin % n, request.shard
    wide = Shard(n * shard.batch_size, lane * shard.world_size + shard.rank, n * shard.world_size)
    start = begin // n
    stop = None if request.stop is None else max(start, -((lane - request.stop) // n))
    return replace(request, start=start, stop=stop, shard=wide)


def _rendered(packed: PackedBatch) -> TorchBatch:
    return packed.render().torch()
