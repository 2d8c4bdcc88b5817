"""PyTorch, an optional package that is loaded when it is first used."""

from typing import Any

from client.optional_module import optional_module


def torch_module(name: str) -> Any:
    """Return torch, or a module that needs it. Raises the errors of `optional_module`."""
    return optional_module(name, "torch", "torch")
