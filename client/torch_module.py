"""PyTorch, an optional package that is loaded when it is first used."""

from typing import Any

from client.errors import MissingExtraError
from sampler.undisturbed import import_undisturbed


def torch_module(name: str) -> Any:
    """Return torch, or a module that needs it. Raises `MissingExtraError` if torch is not installed."""
    try:
        return import_undisturbed(name)
    except ImportError as error:
        raise MissingExtraError("torch is not installed: pip install 'saccade-sampler[torch]'") from error
