"""Batches of NumPy arrays."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from client.batches.torch_batch import TorchBatch
from client.batches.training_arrays import StepT_co, TrainingArrays
from client.errors import checked_arguments
from client.torch_module import torch_module
from sampler.arrays import Arrays
from sampler.atomic_write import atomic_writer

if TYPE_CHECKING:
    from torch import Tensor

    from client.torch_device import Device


class Batch(TrainingArrays[NDArray[Any], StepT_co]):
    """A batch of NumPy arrays."""

    kind = "Batch"

    def torch(self, device: "Device | None" = None) -> TorchBatch[StepT_co]:
        """Return the batch as tensors.

        Args:
            device: where the tensors are to be; by default they stay on the CPU and share memory with this batch.

        Raises:
            MissingExtraError: torch is not installed.
            RequestRefusedError: PyTorch has no such device, or this machine has none.
        """
        torch = torch_module("torch")
        if device is not None:
            with checked_arguments():
                torch_module("client.torch_device").require_device(device)

        def tensor(array: NDArray[Any]) -> Any:
            on_cpu = torch.from_numpy(array)
            return on_cpu if device is None else on_cpu.to(device, non_blocking=True)

        return TorchBatch(
            arrays={name: tensor(array) for name, array in self.arrays.items()},
            order=self.order,
            keys=self.keys,
            recipes=self.recipes,
            untagged=tensor(self.untagged),
            step=self.step,
            digest=self.digest,
            spec=self.spec,
            box_table=self.box_table,
        )

    def to(self, device: "Device", non_blocking: bool = False) -> TorchBatch[StepT_co]:
        """Return the batch as tensors on a device: see `TorchBatch.to`. Lightning calls it with the model's device."""
        return self.torch().to(device, non_blocking=non_blocking)

    def to_torchvision(self) -> "tuple[list[Tensor], list[dict[str, Tensor]]]":
        """Return images and targets as torchvision's detection models take them: see `TorchBatch.to_torchvision`.

        Raises:
            ClientError: the batch has no boxes: see `boxes`.
            MissingExtraError: torch is not installed.
        """
        return self.torch().to_torchvision()

    def save(self, path: Path | str) -> None:
        """Write a `.npz` file at exactly `path`. The write is atomic; nothing is pickled.

        The file holds every array by its name, `keys` (B, 3) uint64 as seed, epoch, index, `recipes` (B,) as JSON
        text, `untagged`, `step` (−1 for none) and `digest`. It has no boxes, so that the bytes of the file are the same
        in every layout; `box_table` has them.

        Raises:
            OSError: the file cannot be written.
        """
        members: Arrays = dict(self.arrays)
        members["keys"] = np.array([(key.seed, key.epoch, key.index) for key in self.keys], np.uint64)
        members["recipes"] = np.array([json.dumps(recipe.as_dict()) for recipe in self.recipes])
        members["untagged"] = self.untagged
        members["step"] = np.array(-1 if self.step is None else self.step, np.int64)
        members["digest"] = np.array(self.digest)
        with atomic_writer(Path(path)) as stream:
            np.savez(stream, allow_pickle=False, **members)
