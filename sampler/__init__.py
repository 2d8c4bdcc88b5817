"""What a training sample of the CornerNet family is, as a pure function of (dataset, config, seed, epoch, index).

Data flows one way:

    config → stream → dataset → sample (recipe, crop, colour matrix, boxes) → layouts → wire

The detector family of the config (`sampler.families`) decides where a crop lies and which targets there are. Each inner
loop exists in NumPy (`sampler.ops`) and compiled (`sampler.kernels.compiled`), behind one interface
(`sampler.kernels.interface`). Importing this package loads no third-party package except NumPy and msgpack. Datasets
need the `server` extra, the wire format msgpack and xxhash.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 # before any import or syntax that an older Python does not know
    from sampler.old_python import refuse

    refuse(sys.version_info, sys.argv)


from sampler.array_table import array_table
from sampler.arrays import LAYOUTS, ArraySpec, Layout
from sampler.config.cornernet_lite import load_config
from sampler.config.presets import PRESETS, preset
from sampler.config.schema import AttentionMap, SamplerConfig
from sampler.errors import SamplerError
from sampler.recipe import Recipe
from sampler.sample.sample import Sample, make_sample, recipe_of
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from sampler.version import SAMPLER_VERSION, VERSION

__version__ = VERSION

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
    "array_table",
    "load_config",
    "make_sample",
    "preset",
    "recipe_of",
    "step_keys",
]
