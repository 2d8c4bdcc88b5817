"""Batches of PyTorch tensors."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from client.batches.training_arrays import StepT_co, TrainingArrays
from client.errors import ClientError, checked_arguments
from client.torch_module import torch_module

if TYPE_CHECKING:
    from torch import Tensor

    from client.torch_device import Device


class TorchBatch(TrainingArrays["Tensor", StepT_co]):
    """A batch of PyTorch tensors."""

    def to(self, device: "Device", non_blocking: bool = False) -> Self:
        """Return the batch with all tensors on a device. Tensors that are there already are shared, not copied.

        Args:
            device: such as "cuda" or "cuda:1".
            non_blocking: whether to return before the copies have ended. Only copies of pinned tensors to a GPU do so.

        Raises:
            RequestRefusedError: PyTorch has no such device, or this machine has none.
        """
        with checked_arguments():
            torch_module("client.torch_device").require_device(device)
        return self._with_each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the batch with all tensors in page-locked memory, from which a GPU copies while the CPU goes on.

        DataLoader calls it with `pin_memory=True`.

        Raises:
            ClientError: PyTorch cannot pin memory here.
        """
        try:
            return self._with_each(lambda tensor: tensor.pin_memory())
        except RuntimeError as error:
            cause, where = str(error).split("\n")[0], "tensors on the CPU, on a machine with a GPU that PyTorch sees"
            raise ClientError(f"this batch cannot be pinned: {cause}: expected {where}") from error

    def _with_each(self, change: "Callable[[Tensor], Tensor]") -> Self:
        arrays: dict[str, Any] = {name: change(tensor) for name, tensor in self.arrays.items()}
        untagged: Any = change(self.untagged)
        return replace(self, arrays=arrays, untagged=untagged)
