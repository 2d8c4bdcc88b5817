"""Batches that are rendered on a device: crops go there, and become tensors there. Needs torch.

Where the device is a GPU, the copies run beside the trainer: the GPU reads pinned memory itself, and a slot is kept
until the GPU says that it has done so.
"""

from collections import deque
from typing import Any

import numpy as np
import torch

from client.batches.batch import TorchBatch
from client.errors import ClientError
from client.loading.messages import PackedBoxes, read_origin
from client.loading.slots import SharedSlots, SlotForm
from client.loading.trainer.pinned_slots import PinnedSlots
from client.loading.trainer.supervisor import HELD, Delivered
from client.torch_rendering import render_tensors
from sampler.arrays import Arrays
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.wire.spec import ServiceSpec


def require_device(device: Any) -> None:
    """Raise `InvalidRequestError` for what is no device of torch, and for a GPU that is not here."""
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidRequestError("device", device, "a device of PyTorch, such as 'cuda' or 'cuda:1'") from error
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (found.index or 0) >= count:
            seen = f"{count} GPUs" if count else "none: torch.cuda.is_available() is False"
            raise InvalidRequestError("device", str(found), f"a GPU that PyTorch sees here ({seen})")


class DeviceUnloading:
    """Batches as tensors on a device, rendered there."""

    render = False

    def __init__(self, spec: ServiceSpec, batch: int, device: Any) -> None:
        """batch: B, the samples of each. Raises what torch raises for an unknown device."""
        self.form = SlotForm.compact(spec.config, spec.categories, batch)
        self._spec = spec
        self._device = torch.device(device)
        self._pinned: PinnedSlots | None = None
        self._copying: deque[tuple[Any, object]] = deque()

    def attach(self, slots: SharedSlots) -> None:
        """Pin the memory where the device is a GPU."""
        if self._device.type == "cuda":
            self._pinned = PinnedSlots(slots, self._device)

    def make_room(self) -> None:
        """Let go of the slots that the GPU has read, and wait for the oldest where it has as many as it may."""
        while self._copying and (len(self._copying) >= HELD or self._copying[0][0].query()):
            event, _ = self._copying.popleft()
            event.synchronize()

    def unload(self, delivered: Delivered) -> TorchBatch:
        """Return the batch of a slot."""
        token = delivered.token
        if token.boxes is None:
            raise ClientError(f"the loader's process sent step {token.step} without boxes: expected some")
        arrays = self._arrived(delivered) | _unpacked(token.boxes)
        keys, recipes = read_origin(token.origin)
        return TorchBatch(
            arrays=_rendered(arrays, self._spec),
            order=family_of(self._spec.config).training_order(self._spec.config),
            keys=keys,
            recipes=recipes,
            untagged=torch.tensor(token.untagged, dtype=torch.int64).to(self._device),
            step=token.step,
            digest=token.digest,
        )

    def close(self) -> None:
        """Wait for the copies under way, and unpin the memory. May be called again."""
        while self._copying:
            event, _ = self._copying.popleft()
            event.synchronize()
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            pinned.close()

    def _arrived(self, delivered: Delivered) -> dict[str, Any]:
        """Return crops and colour matrices as tensors on the device, or on their way there."""
        arrays = self.form.arrays(delivered.slot)
        if self._pinned is None:
            return {name: _own(array, self._device) for name, array in arrays.items()}
        tensors = {name: self._pinned.tensor(array) for name, array in arrays.items()}
        moved = {name: tensor.to(self._device, non_blocking=True) for name, tensor in tensors.items()}
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        self._copying.append((event, delivered.slot))
        return moved


def _own(array: Any, device: Any) -> Any:
    """Return an array as a tensor on a device; on the CPU it lies in the slot, which lives as long as the tensor."""
    return torch.from_numpy(array).to(device)


def _unpacked(packed: PackedBoxes) -> Arrays:
    return {
        "boxes": np.frombuffer(packed.boxes, np.float32).reshape(-1, 5),
        "objects": np.frombuffer(packed.objects, np.uint8),
        "starts": np.frombuffer(packed.starts, np.int64),
    }


def _rendered(arrays: dict[str, Any], spec: ServiceSpec) -> dict[str, Any]:
    """Return the dense tensors, on the device of the crops; boxes stay with the CPU, which places what is drawn."""
    tensors: dict[str, Any] = render_tensors(
        arrays["crop"], arrays["colour"], arrays["boxes"], arrays["objects"], arrays["starts"],
        spec.config, spec.categories,
    )  # fmt: skip
    return tensors
