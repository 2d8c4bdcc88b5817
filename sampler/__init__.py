"""What a training sample of the CornerNet family is, as a pure function of (dataset, config, seed, epoch, index).

Data flows one way, and each module is one step of it:

    config → keys, order, stream → dataset → draw, recipe → images → crop, resize → colour → targets → sample
           → layouts → wire

The loops over pixels, cells, boxes and words stand twice: in NumPy (`sampler.ops.resize`, `sampler.ops.colour`,
`sampler.ops.targets`, `sampler.ops.boxes`, `sampler.stream.keys`), and compiled in the files named `compiled_*`; `sampler.kernels.interface` has
both as sets. Importing this package loads NumPy and nothing else from outside; datasets (`sampler.dataset.dataset`) and images
(`sampler.dataset.images.decode`) need the `server` extra, the wire (`sampler.wire.messages`, `sampler.wire.reader`) msgpack and xxhash.
"""

from sampler.array_table import LAYOUTS, ArraySpec, Layout, array_table
from sampler.config.schema import PRESETS, AttentionMap, SamplerConfig, preset
from sampler.config.cornernet_lite import load_config
from sampler.errors import SamplerError
from sampler.stream.keys import SampleKey
from sampler.recipe import Recipe
from sampler.sample.sample import Sample, make_sample, recipe_of
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
