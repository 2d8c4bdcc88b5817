"""What the trainer must receive: f(dataset, config, seed, step), computed here, without server and client."""

from sampler.arrays import Arrays
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.convert import lay_out
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from tests.chaos.step_hash import step_hash


class Oracle:
    """Knows the hash of each step of one seed."""

    def __init__(self, dataset: Dataset, config: SamplerConfig, seed: int, batch_size: int) -> None:
        self._dataset = dataset
        self._config = config
        self._seed = seed
        self._shard = Shard(batch_size)
        self._known: dict[int, str] = {}

    def hash_of(self, step: int) -> str:
        """Return the hash of the samples of all ranks of a step."""
        if step not in self._known:
            keys = step_keys(len(self._dataset), self._seed, step, self._shard)
            self._known[step] = step_hash((key, self._arrays(key)) for key in keys)
        return self._known[step]

    def _arrays(self, key: SampleKey) -> Arrays:
        config, kernels = self._config, fastest_kernels()
        sample = make_sample(self._dataset, config, key, kernels=kernels)
        return lay_out(sample, "dense", config, config.planes(self._dataset.category_count), kernels)
