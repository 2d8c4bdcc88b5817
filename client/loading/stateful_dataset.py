"""What PyTorch and torchdata see of a loader's batches. Needs torch."""

from abc import abstractmethod
from collections.abc import Generator, Mapping
from typing import Any

from torch.utils.data import IterableDataset

from client.batches import TorchBatch


class StatefulDataset(IterableDataset[TorchBatch[int]]):
    """A loader's batches as `TorchBatch`. They are batches already: use DataLoader with batch_size=None.

    The dataset can be pickled, so DataLoader may fork or spawn its workers. torchdata's StatefulDataLoader calls
    `state_dict` and `load_state_dict` in each worker or, without workers, in the trainer. Its states resume after any
    step, the last one too. With a state saved after the iteration has ended, it begins a new one at `start`.

    A plain DataLoader with workers calls neither. Save
    {**dataset.state_dict(), "step": batch.step + 1, "digest": batch.digest} instead, and load it before the DataLoader
    starts. It has no digest of the image files, so these are not checked. The state then applies to every iteration,
    because workers are not told that a new one begins; to begin at `start` again, make a new dataset.
    """

    @abstractmethod
    def __len__(self) -> int:
        """The number of steps from `start` to `stop`. Raises TypeError without a `stop`."""

    @abstractmethod
    def __iter__(self) -> Generator[TorchBatch[int]]:
        """Yield the batches from `start`, or from the step of a state loaded before; in a worker, its part of them.

        Raises the errors of `Loader`. DataLoader raises a worker's error in the trainer with the same type and message,
        but without its attributes.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from, as `Loader.state_dict` does; in a worker, with `worker` and `workers`."""

    @abstractmethod
    def load_state_dict(
        self, state: Mapping[str, Any], *, strict: bool = True, allow_digest_change: bool = False
    ) -> None:
        """Begin the next iteration at the step of a state: see `Loader.load_state_dict`.

        In the workers of a plain DataLoader, this applies to every iteration.
        """
