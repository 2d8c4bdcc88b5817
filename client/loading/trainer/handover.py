"""From a filled slot to the batch that the trainer gets."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.batches import Batch, TorchBatch
from client.loading.messages import FilledSlot, read_origin
from client.loading.slots import SharedSlots, SlotForm
from sampler.families.registry import family_of
from sampler.wire.spec import ServiceSpec

BatchT = TypeVar("BatchT", bound=Batch | TorchBatch)


class Handover(ABC, Generic[BatchT]):
    """Turns filled slots into batches. form: of a slot. render: whether the loader worker renders."""

    form: SlotForm
    render: bool

    def attach(self, slots: SharedSlots) -> None:
        """Prepare the memory that batches will be in. Called once."""

    def make_room(self) -> None:
        """Release slots. Called before each batch."""

    @abstractmethod
    def batch(self, filled: FilledSlot, memory: NDArray[np.uint8]) -> BatchT:
        """Return the batch of a slot. memory: of the slot."""

    def close(self) -> None:
        """Wait for unfinished work. May be called again."""


class ArrayHandover(Handover[Batch[int]]):
    """Hands over batches of NumPy arrays in the slot itself: the loader worker has rendered them, nothing is copied."""

    render = True

    def __init__(self, spec: ServiceSpec, batch: int) -> None:
        self.form = SlotForm.of(spec, batch, render=True)
        self._spec = spec
        self._order = family_of(spec.config).training_order(spec.config)

    def batch(self, filled: FilledSlot, memory: NDArray[np.uint8]) -> "LoadedBatch":
        batch = LoadedBatch.__new__(LoadedBatch)
        # Not through the dataclass's __init__, which needs keys and recipes at once.
        vars(batch).update(
            arrays=self.form.arrays(memory),
            order=self._order,
            untagged=np.array(filled.untagged, np.int64),
            step=filled.step,
            digest=filled.digest,
            spec=self._spec,
            box_table=filled.boxes,
            _packed_origin=filled.origin,
        )
        return batch


class LoadedBatch(Batch[int]):
    """A batch whose keys and recipes are unpacked when first used: most training steps never use them.

    It pickles and copies as a `Batch`.
    """

    def __reduce__(self) -> tuple[Callable[..., Batch[int]], tuple[dict[str, Any]]]:
        return _batch_of, ({field.name: getattr(self, field.name) for field in fields(self)},)

    def __getattr__(self, name: str) -> Any:
        """Unpack keys and recipes; from then on they are ordinary attributes."""
        if name not in ("keys", "recipes"):
            return self.__getattribute__(name)  # raises what a property raised, such as a missing array
        # The packed form stays, because a second thread may be here at the same time; both get the same result.
        keys, recipes = read_origin(vars(self)["_packed_origin"])
        vars(self).update(keys=keys, recipes=recipes)
        return vars(self)[name]


def _batch_of(values: dict[str, Any]) -> Batch[int]:
    return Batch(**values)
