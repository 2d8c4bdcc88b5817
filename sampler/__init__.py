"""What a training sample of the CornerNet family is, as a pure function of (dataset, config, seed, epoch, index).

Data flows one way:

    config → stream → dataset → sample (recipe, crop, colour matrix, boxes) → layouts → wire

The detector family of the config (`sampler.families`) decides where a crop lies and which targets there are. Each inner
loop exists in NumPy (`sampler.ops`) and compiled (`sampler.kernels.compiled`), behind one interface
(`sampler.kernels.interface`). Importing this package loads nothing else. A name is imported when it is first used, with
NumPy. Datasets need the `server` extra, the wire format msgpack and xxhash.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 # before any import or syntax that an older Python does not know
    from sampler.old_python import refuse

    refuse(sys.version_info, sys.argv)


import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampler.array_table import array_table
    from sampler.arrays import LAYOUTS, ArraySpec, Layout
    from sampler.config.cornernet_lite import load_config
    from sampler.config.presets import PRESETS, preset
    from sampler.config_schema import AttentionMap, SamplerConfig
    from sampler.errors import SamplerError
    from sampler.recipe import Recipe
    from sampler.sample.sample import Sample, make_sample, recipe_of
    from sampler.stream.keys import SampleKey
    from sampler.stream.shards import Shard, step_keys
    from sampler.version import SAMPLER_VERSION, VERSION

    __version__: str

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "SAMPLER_VERSION",
    "VERSION",
    "ArraySpec",
    "AttentionMap",
    "Layout",
    "Recipe",
    "Sample",
    "SampleKey",
    "SamplerConfig",
    "SamplerError",
    "Shard",
    "__version__",
    "array_table",
    "load_config",
    "make_sample",
    "preset",
    "recipe_of",
    "step_keys",
]

_MODULES = {
    **dict.fromkeys(("ArraySpec", "LAYOUTS", "Layout"), "sampler.arrays"),
    "array_table": "sampler.array_table",
    "load_config": "sampler.config.cornernet_lite",
    **dict.fromkeys(("PRESETS", "preset"), "sampler.config.presets"),
    **dict.fromkeys(("AttentionMap", "SamplerConfig"), "sampler.config_schema"),
    "SamplerError": "sampler.errors",
    "Recipe": "sampler.recipe",
    **dict.fromkeys(("Sample", "make_sample", "recipe_of"), "sampler.sample.sample"),
    "SampleKey": "sampler.stream.keys",
    **dict.fromkeys(("Shard", "step_keys"), "sampler.stream.shards"),
    **dict.fromkeys(("SAMPLER_VERSION", "VERSION"), "sampler.version"),
}
"""The modules of the public names."""


def _load(name: str) -> object:
    if name == "__version__":
        return _load("VERSION")
    if name not in _MODULES:
        return _submodule(name)
    value: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def _submodule(name: str) -> ModuleType:
    """Return a module of this package, so that `import sampler` is enough to use `sampler.errors`."""
    module = f"{__name__}.{name}"
    if name.startswith("_") or importlib.util.find_spec(module) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(module)


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # otherwise a type checker would accept any name
    __getattr__ = _load
