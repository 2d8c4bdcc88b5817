"""Batches rendered by PyTorch on a device. Needs torch.

Crops are copied to the device and become tensors there. If the device is a GPU, it reads the slot itself, which is
pinned, while the trainer goes on; the slot is released when the GPU has read it.
"""

import logging
from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.batches import TorchBatch
from client.errors import ClientError
from client.loading.messages import FilledSlot, read_origin
from client.loading.slots import SharedSlots, SlotForm
from client.loading.trainer.handover import Handover
from client.loading.trainer.supervisor import MAX_HELD
from client.torch_rendering import render_tensors
from sampler.families.registry import family_of
from sampler.wire.spec import ServiceSpec

log = logging.getLogger("saccade_client")

PORTABLE = 1
"""CUDA's flag for memory that is pinned for every GPU of the process."""


class DeviceHandover(Handover[TorchBatch[int]]):
    """Hands over batches of tensors on a device, and renders them there."""

    render = False

    def __init__(self, spec: ServiceSpec, batch: int, device: Any) -> None:
        self.form = SlotForm.of(spec, batch, render=False)
        self._spec = spec
        self._device = torch.device(device)
        self._pinned: PinnedSlots | None = None
        self._copying: deque[tuple[Any, object]] = deque()

    def attach(self, slots: SharedSlots) -> None:
        """Pin the memory if the device is a GPU."""
        if self._device.type == "cuda":
            self._pinned = PinnedSlots(slots, self._device)

    def make_room(self) -> None:
        """Release the slots that the GPU has read; wait for the oldest if it uses as many as it may."""
        while self._copying and (len(self._copying) >= MAX_HELD or self._copying[0][0].query()):
            event, _ = self._copying.popleft()
            event.synchronize()

    def batch(self, filled: FilledSlot, memory: NDArray[np.uint8]) -> TorchBatch[int]:
        table = filled.boxes
        if table is None:
            raise ClientError(f"the loader's process sent step {filled.step} without boxes")
        arrays, spec = self._on_device(memory), self._spec
        tensors = render_tensors(
            arrays["crop"], arrays["colour"], table.boxes, table.objects, table.starts, spec.config, spec.categories
        )
        keys, recipes = read_origin(filled.origin)
        return TorchBatch(
            arrays=tensors,
            order=family_of(spec.config).training_order(spec.config),
            keys=keys,
            recipes=recipes,
            untagged=torch.tensor(filled.untagged, dtype=torch.int64).to(self._device),
            step=filled.step,
            digest=filled.digest,
            spec=spec,
            box_table=table,
        )

    def close(self) -> None:
        """Wait for unfinished copies, and unpin the memory. May be called again."""
        while self._copying:
            event, _ = self._copying.popleft()
            event.synchronize()
        pinned, self._pinned = self._pinned, None
        if pinned is not None:
            pinned.close()

    def _on_device(self, memory: NDArray[np.uint8]) -> dict[str, Any]:
        """Return crops and colour matrices as tensors on the device, perhaps still being copied."""
        arrays = self.form.arrays(memory)
        if self._pinned is None:  # on the CPU, the tensors share the slot and keep it from being reused
            return {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
        tensors = {name: self._pinned.tensor(array) for name, array in arrays.items()}
        moved = {name: tensor.to(self._device, non_blocking=True) for name, tensor in tensors.items()}
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        self._copying.append((event, memory))
        return moved


class PinnedSlots:
    """Slots that are page-locked in place. If that fails, arrays are copied to pinned memory instead.

    registered: whether the slots are page-locked.
    """

    def __init__(self, slots: SharedSlots, device: Any) -> None:
        """Page-lock the slots. device: the GPU that reads them."""
        memory = np.frombuffer(slots.memory, np.uint8)
        self._address = memory.ctypes.data
        self._device = device
        with torch.cuda.device(device):  # the call initialises the current GPU, whichever that is
            result = int(torch.cuda.cudart().cudaHostRegister(self._address, memory.nbytes, PORTABLE))
        self.registered = result == 0
        if not self.registered:
            _clear_cuda_error(device)
            log.warning(
                "the loader's memory of %d bytes cannot be pinned (CUDA error %d): batches are copied to pinned memory",
                memory.nbytes, result,
            )  # fmt: skip

    def tensor(self, array: NDArray[Any]) -> Any:
        """Return an array in a slot as a tensor in pinned memory.

        If the slots are registered, it shares the slot, which must not be reused until a copy of the tensor has ended.
        Otherwise it is in torch's pinned memory, which tracks copies itself.
        """
        plain = torch.from_numpy(array)
        return plain if self.registered else plain.pin_memory()

    def close(self) -> None:
        """Unlock the pages. No copy may be in progress. May be called again."""
        if self.registered:
            self.registered = False
            with torch.cuda.device(self._device):
                torch.cuda.cudart().cudaHostUnregister(self._address)


def _clear_cuda_error(device: Any) -> None:
    # CUDA reports a failed call again at the next kernel, whichever that is. Let it be this one.
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        log.debug("CUDA reported the failed call again: %s", error)
