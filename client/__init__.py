"""The client that a training node installs. It fetches batches from a sampling server as NumPy arrays or tensors.

Use `loader` in a training loop: it prefetches batches in its own process. `SamplerClient` fetches single batches
and streams; `AsyncSamplerClient` does the same for asyncio. Every error is a `ClientError`.

Importing this package loads nothing else. A name, or a module of this package, is imported when it is first used: NumPy
and msgpack with the first of them, httpx and stamina with a client or a loader's first batch. PyTorch is loaded only by
`Batch.torch`, by a loader with a device and by datasets for PyTorch.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 # before any import or syntax that an older Python does not know
    from sampler.old_python import refuse

    refuse(sys.version_info, sys.argv)


import importlib
import threading
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from client.async_client import AsyncSamplerClient
    from client.batches import Batch, BoxTable, CompactBatch, PackedBatch, TorchBatch, TrainingArrays
    from client.errors import (
        ClientError,
        DigestMismatchError,
        MissingExtraError,
        ProtocolError,
        RequestRefusedError,
        SampleError,
        ServerError,
        ServerUnavailableError,
        TransferError,
    )
    from client.families import register_family
    from client.fleet.statistics import FleetStatistics, ServerStatistics
    from client.images import Annotation, ImageInfo
    from client.loading.loader import Loader, loader
    from client.loading.trainer.statistics import LoaderStatistics
    from client.protocol.requests import IndexRequest, StepRequest, StreamRequest
    from client.sync_client import SamplerClient
    from sampler import __version__
    from sampler.recipe import Recipe
    from sampler.stream.keys import SampleKey
    from sampler.stream.shards import Shard
    from sampler.wire.spec import ServiceSpec

__all__ = [
    "Annotation",
    "AsyncSamplerClient",
    "Batch",
    "BoxTable",
    "ClientError",
    "CompactBatch",
    "DigestMismatchError",
    "FleetStatistics",
    "ImageInfo",
    "IndexRequest",
    "Loader",
    "LoaderStatistics",
    "MissingExtraError",
    "PackedBatch",
    "ProtocolError",
    "Recipe",
    "RequestRefusedError",
    "SampleError",
    "SampleKey",
    "SamplerClient",
    "ServerError",
    "ServerStatistics",
    "ServerUnavailableError",
    "ServiceSpec",
    "Shard",
    "StepRequest",
    "StreamRequest",
    "TorchBatch",
    "TrainingArrays",
    "TransferError",
    "__version__",
    "loader",
    "register_family",
]

_MODULES = {
    "AsyncSamplerClient": "client.async_client",
    "SamplerClient": "client.sync_client",
    **dict.fromkeys(
        ("Batch", "BoxTable", "CompactBatch", "PackedBatch", "TorchBatch", "TrainingArrays"), "client.batches"
    ),
    "register_family": "client.families",
    **dict.fromkeys(("FleetStatistics", "ServerStatistics"), "client.fleet.statistics"),
    **dict.fromkeys(("Annotation", "ImageInfo"), "client.images"),
    **dict.fromkeys(("Loader", "loader"), "client.loading.loader"),
    "LoaderStatistics": "client.loading.trainer.statistics",
    **dict.fromkeys(("IndexRequest", "StepRequest", "StreamRequest"), "client.protocol.requests"),
    "Recipe": "sampler.recipe",
    "__version__": "sampler",
    "SampleKey": "sampler.stream.keys",
    "Shard": "sampler.stream.shards",
    "ServiceSpec": "sampler.wire.spec",
}
"""The modules of all public names but the errors."""


def _load(name: str) -> object:
    if name not in __all__:
        return _submodule(name)
    value: object = getattr(_import(_MODULES.get(name, "client.errors")), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def _submodule(name: str) -> ModuleType:
    """Return a module of this package, so that `import client` is enough to use `client.errors`."""
    module = f"{__name__}.{name}"
    try:
        if not name.startswith("_"):
            return _import(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _import(module: str) -> ModuleType:
    if threading.current_thread() is threading.main_thread():
        # Ctrl-C raises in the main thread only. In the middle of an import it would leave packages such as NumPy half
        # imported, and they could not be imported again. `sampler.undisturbed` does the same, but loads NumPy itself.
        thread = threading.Thread(target=_try_import, args=(module,), daemon=True)
        with suppress(RuntimeError):  # no thread is to be had
            thread.start()
            thread.join()
    return importlib.import_module(module)


def _try_import(module: str) -> None:
    with suppress(BaseException):  # raised again where the module is imported next
        importlib.import_module(module)


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # otherwise a type checker would accept any name
    __getattr__ = _load
