"""Shared memory that a GPU reads by itself. Needs torch, with CUDA."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.loading.slots import SharedSlots

log = logging.getLogger("saccade_client")

PORTABLE = 1
"""CUDA's flag for memory that is pinned for every GPU of the process."""


class PinnedSlots:
    """Slots that are page-locked where they lie; where that cannot be, what is to be copied is copied to pinned memory.

    registered: whether they are.
    """

    def __init__(self, slots: SharedSlots, device: Any) -> None:
        """Page-lock the slots. device: the GPU that reads them."""
        memory = np.frombuffer(slots.memory, np.uint8)
        self._address = memory.ctypes.data
        self._device = device
        with torch.cuda.device(device):  # the call sets up whichever GPU is the current one
            result = int(torch.cuda.cudart().cudaHostRegister(self._address, memory.nbytes, PORTABLE))
        self.registered = result == 0
        if not self.registered:
            _forget_error(device)
            log.warning(
                "the loader's memory of %d bytes cannot be pinned (CUDA error %d): batches are copied to pinned memory",
                memory.nbytes, result,
            )  # fmt: skip

    def tensor(self, array: NDArray[Any]) -> Any:
        """Return an array that lies in a slot as a tensor in pinned memory.

        In the slot itself if it is registered: then the slot must be kept until a copy of the tensor has ended. Else
        in memory of torch's, which keeps track of copies by itself.
        """
        plain = torch.from_numpy(array)
        return plain if self.registered else plain.pin_memory()

    def close(self) -> None:
        """Unlock the pages; no copy may be under way. May be called again."""
        if self.registered:
            self.registered = False
            with torch.cuda.device(self._device):
                torch.cuda.cudart().cudaHostUnregister(self._address)


def _forget_error(device: Any) -> None:
    # CUDA reports a failed call once more at the next kernel, whosever it is. This one takes the blame.
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        log.debug("told once more: %s", error)
