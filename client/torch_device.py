"""The devices that tensors can be on. Needs torch."""

from typing import Any

import torch

from sampler.errors import InvalidRequestError

Device = torch.device | str | int
"""What PyTorch takes for a device; a number is a GPU."""

UNUSABLE = (RuntimeError, AssertionError, ImportError)
"""What PyTorch raises for a kind of device that this machine or this build of PyTorch does not have."""


def require_device(device: Any, or_else: str = "") -> None:
    """Raise `InvalidRequestError` for an invalid device, and for one that this machine does not have.

    or_else: what the caller takes besides devices, for the message.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        if isinstance(device, int):
            _require_gpu(device, device)
        expected = f"a device of PyTorch, such as 'cuda', 'cuda:1' or 'cpu'{or_else}"
        raise InvalidRequestError("device", device, expected) from error
    if found.type == "cuda":
        _require_gpu(device if isinstance(device, int) else str(found), found.index or 0)
        return
    try:
        torch.empty(0, device=found)
    except UNUSABLE as error:
        expected = "a device that PyTorch can use here, such as 'cpu', or 'cuda' with an NVIDIA GPU"
        raise InvalidRequestError("device", str(found), expected) from error


def _require_gpu(device: object, index: int) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not 0 <= index < count:
        seen = f"{count} GPU{'s' * (count > 1)}" if count else "none: torch.cuda.is_available() is False"
        raise InvalidRequestError("device", device, f"a GPU that PyTorch sees here ({seen})")
