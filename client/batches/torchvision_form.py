"""A batch in the form that torchvision's detection models take."""

from typing import TYPE_CHECKING, Any

from client.torch_module import torch_module

if TYPE_CHECKING:
    from torch import Tensor

    from client.batches.training_arrays import TrainingArrays


def torchvision_form(batch: "TrainingArrays[Tensor]") -> "tuple[list[Tensor], list[dict[str, Tensor]]]":
    """Return images and targets: see `TorchBatch.to_torchvision`."""
    config, images = batch.spec.config, batch.images
    mean, std = (images.new_tensor(values)[:, None, None] for values in (config.mean, config.std))
    pixels = (images * std + mean).clamp(0, 1).flip(1)
    return list(pixels.unbind()), [_target(batch, number) for number in range(len(batch))]


def _target(batch: "TrainingArrays[Tensor]", number: int) -> "dict[str, Tensor]":
    torch: Any = torch_module("torch")
    boxes, labels = batch.boxes(number), batch.labels(number)
    chosen = batch.objects(number) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    device = batch.images.device
    return {
        "boxes": torch.from_numpy(boxes[chosen]).to(device),
        "labels": torch.from_numpy(labels[chosen] + 1).to(device),
    }
