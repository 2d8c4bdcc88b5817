"""Training samples for the CornerNet family of detectors, made on CPU hosts and fetched by GPU nodes.

    from saccade_sampler import SamplerClient, loader

Importing this package loads nothing else. A name is imported from `client` or `sampler` when it is first used, so a
training node needs only what its client needs.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 # before any import or syntax that an older Python does not know
    from sampler.old_python import refuse

    refuse(sys.version_info, sys.argv)


import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from client import (
        Annotation,
        AsyncSamplerClient,
        Batch,
        BoxTable,
        ClientError,
        CompactBatch,
        DigestMismatchError,
        FleetStatistics,
        ImageInfo,
        IndexRequest,
        Loader,
        LoaderStatistics,
        MissingExtraError,
        PackedBatch,
        ProtocolError,
        RequestRefusedError,
        SampleError,
        SamplerClient,
        ServerError,
        ServerStatistics,
        ServerUnavailableError,
        ServiceSpec,
        StepRequest,
        StreamRequest,
        TorchBatch,
        TrainingArrays,
        TransferError,
        loader,
        register_family,
    )
    from client.torch_rendering import render_tensors as render_tensors  # in _EXTRAS, so not in __all__
    from sampler import (
        LAYOUTS,
        PRESETS,
        SAMPLER_VERSION,
        VERSION,
        ArraySpec,
        AttentionMap,
        Layout,
        Recipe,
        Sample,
        SampleKey,
        SamplerConfig,
        SamplerError,
        Shard,
        __version__,
        array_table,
        load_config,
        make_sample,
        preset,
        recipe_of,
        step_keys,
    )
    from sampler.dataset.dataset import open_dataset as open_dataset
    from sampler.dataset.images.decode import ReadOptions as ReadOptions

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "SAMPLER_VERSION",
    "VERSION",
    "Annotation",
    "ArraySpec",
    "AsyncSamplerClient",
    "AttentionMap",
    "Batch",
    "BoxTable",
    "ClientError",
    "CompactBatch",
    "DigestMismatchError",
    "FleetStatistics",
    "ImageInfo",
    "IndexRequest",
    "Layout",
    "Loader",
    "LoaderStatistics",
    "MissingExtraError",
    "PackedBatch",
    "ProtocolError",
    "Recipe",
    "RequestRefusedError",
    "Sample",
    "SampleError",
    "SampleKey",
    "SamplerClient",
    "SamplerConfig",
    "SamplerError",
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
    "array_table",
    "load_config",
    "loader",
    "make_sample",
    "preset",
    "recipe_of",
    "register_family",
    "step_keys",
]

_OF_THE_SAMPLER = frozenset({
    "LAYOUTS", "PRESETS", "SAMPLER_VERSION", "VERSION", "ArraySpec", "AttentionMap", "Layout", "Recipe", "Sample",
    "SampleKey", "SamplerConfig", "SamplerError", "Shard", "__version__", "array_table", "load_config", "make_sample",
    "preset", "recipe_of", "step_keys",
})  # fmt: skip
"""The names that `sampler` exports. They are taken from there, since `client` loads more."""

_EXTRAS = {
    "ReadOptions": ("sampler.dataset.images.decode", "server"),
    "open_dataset": ("sampler.dataset.dataset", "server"),
    "render_tensors": ("client.torch_rendering", "torch"),
}
"""Names that need an optional extra: their module, and the extra to install. `import *` leaves them out."""


def _load(name: str) -> object:
    if name not in __dir__():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    default = ("sampler" if name in _OF_THE_SAMPLER else "client", "")
    module, extra = _EXTRAS.get(name, default)
    _require_ours("sampler")
    if module.startswith("client"):
        _require_ours("client")
    try:
        value: object = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if not extra:
            raise
        raise ImportError(f"{name} needs {error.name}: pip install 'saccade-sampler[{extra}]'") from error
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return [*__all__, *_EXTRAS]


if not TYPE_CHECKING:  # otherwise a type checker would accept any name
    __getattr__ = _load


def _require_ours(package: str) -> None:
    """Raise ImportError if Python finds another module by the name of one of our packages."""
    folder = Path(__file__).resolve().parent.parent / package
    found = _place(importlib.util.find_spec(package))
    if found != folder:
        raise ImportError(
            f"saccade_sampler needs its package {package!r} in {folder}, but Python finds {found}. "
            f"Rename that file or folder, or start Python where it is not on the path (sys.path)"
        )


def _place(spec: ModuleSpec | None) -> Path | None:
    """Return a package's folder, or a module's file."""
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin or "").resolve()
