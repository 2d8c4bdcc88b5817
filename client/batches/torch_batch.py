"""Batches of PyTorch tensors."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from client.batches.sample_view import require_values
from client.batches.torchvision_form import torchvision_form
from client.batches.training_arrays import StepT_co, TrainingArrays
from client.errors import ClientError, checked_arguments
from client.torch_module import torch_module

if TYPE_CHECKING:
    from torch import Tensor

    from client.torch_device import Device


class TorchBatch(TrainingArrays["Tensor", StepT_co]):
    """A batch of PyTorch tensors."""

    kind = "TorchBatch"

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled. PyTorch would pickle a slice with the tensors of the whole batch."""
        return vars(self._with_each(_without_other_samples))

    def to(self, device: "Device", non_blocking: bool = False) -> Self:
        """Return the batch with all tensors on a device. Tensors that are there already are shared, not copied.

        Args:
            device: such as "cuda" or "cuda:1".
            non_blocking: whether to return before the copies have ended. Only copies of pinned tensors to a GPU do so.

        Raises:
            RequestRefusedError: PyTorch has no such device, or this machine has none.
            ClientError: the batch is on the device "meta", where tensors have no values.
        """
        with checked_arguments():
            torch_module("client.torch_device").require_device(device)
        if torch_module("torch").device(device).type != "meta":
            require_values(self.images)
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

    def to_torchvision(self) -> "tuple[list[Tensor], list[dict[str, Tensor]]]":
        """Return images and targets as torchvision's detection models take them: `model(images, targets)`.

        Ignored boxes are left out, since these models have no such boxes, and so are boxes without area, which they
        refuse. All tensors are on the device of the batch.

        Returns:
            B images (3, S, S) float32 in 0–1, channels R, G, B, without normalisation: the models apply their own. B
            targets, each with `boxes` (n, 4) float32, x0, y0, x1, y1 in pixels, and `labels` (n,) int64 from 1, as 0 is
            the background: label c has the name `spec.category_names[c - 1]`.

        Raises:
            ClientError: the batch has no boxes: see `boxes`.
        """
        return torchvision_form(self)

    def _with_each(self, change: "Callable[[Tensor], Tensor]") -> Self:
        arrays: dict[str, Any] = {name: change(tensor) for name, tensor in self.arrays.items()}
        untagged: Any = change(self.untagged)
        return replace(self, arrays=arrays, untagged=untagged)


def _without_other_samples(tensor: "Tensor") -> "Tensor":
    """Return a tensor whose storage has nothing but its own values."""
    return tensor.clone() if tensor.nbytes < tensor.untyped_storage().nbytes() else tensor
