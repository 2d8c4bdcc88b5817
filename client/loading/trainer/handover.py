"""The way from a slot to what the trainer gets."""

from typing import Protocol, TypeVar

from client.batches.batch import Batch, TorchBatch
from client.loading.slots import SharedSlots, SlotForm
from client.loading.trainer.loaded_batch import loaded_batch
from client.loading.trainer.supervisor import Delivered
from sampler.families.registry import family_of
from sampler.wire.spec import ServiceSpec

BatchT_co = TypeVar("BatchT_co", bound=Batch | TorchBatch, covariant=True)


class Unloading(Protocol[BatchT_co]):
    """Turns what lies in slots into batches. form: of a slot. render: whether the loader's process renders."""

    form: SlotForm
    render: bool

    def attach(self, slots: SharedSlots) -> None:
        """Take note of the memory that batches will lie in."""
        ...

    def make_room(self) -> None:
        """Let go of slots, before another one is asked for."""
        ...

    def unload(self, delivered: Delivered) -> BatchT_co:
        """Return the batch of a slot."""
        ...

    def close(self) -> None:
        """Finish what is under way. May be called again."""
        ...


class ViewUnloading:
    """Batches as NumPy arrays that lie in the slot itself: the process has rendered them, and nothing is copied."""

    render = True

    def __init__(self, spec: ServiceSpec, batch: int) -> None:
        """batch: B, the samples of each."""
        self.form = SlotForm.dense(spec.config, spec.categories, batch)
        self._order = family_of(spec.config).training_order(spec.config)

    def attach(self, slots: SharedSlots) -> None:
        """Nothing needs to be known of it."""

    def make_room(self) -> None:
        """Slots are the trainer's to let go of."""

    def unload(self, delivered: Delivered) -> Batch:
        """Return the batch of a slot."""
        return loaded_batch(delivered.token, self.form.arrays(delivered.slot), self._order)

    def close(self) -> None:
        """Nothing is under way."""
