"""Shared memory that a GPU reads by itself. Needs torch, with CUDA."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.shared_slots import SharedSlots

log = logging.getLogger("saccade_client")


class PinnedSlots:
    """Slots that are page-locked where they lie; where that cannot be, what is to be copied is copied to pinned memory.

    registered: whether they are.
    """

    def __init__(self, slots: SharedSlots) -> None:
        """Page-lock the slots."""
        memory = np.frombuffer(slots.memory, np.uint8)
        self._address = memory.ctypes.data
        result = int(torch.cuda.cudart().cudaHostRegister(self._address, memory.nbytes, 0))
        self.registered = result == 0
        if not self.registered:
            _forget_error()
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
            torch.cuda.cudart().cudaHostUnregister(self._address)


def _forget_error() -> None:
    # CUDA reports a failed call once more at the next kernel, whosever it is. This one takes the blame.
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError as error:
        log.debug("told once more: %s", error)
