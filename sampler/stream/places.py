"""Places of samples in the stream of one training process, and the way from one to the next."""

from dataclasses import dataclass, replace
from typing import Self

from sampler.stream.epoch_order import place_in_epoch
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, last_step, step_keys


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """The place of a sample in a rank's part of a step.

    Attributes:
        step: 0 … `last_step(shard)`.
        shard: The rank's part of each step.
        number: Of the sample, 0 … `shard.count` − 1.
    """

    step: int
    shard: Shard
    number: int

    @classmethod
    def of(cls, key: SampleKey, size: int, batch_size: int) -> Self | None:
        """Return the place of a sample in the stream of a single process; None if it is beyond the last step.

        size: N, the number of images.
        """
        position = key.epoch * size + place_in_epoch(size, key.seed, key.epoch, key.index)
        step, number = divmod(position, batch_size)
        shard = Shard(batch_size)
        return cls(step, shard, number) if step <= last_step(shard) else None

    @property
    def before(self) -> Self | None:
        """The place before it, maybe in the step before; None for the first one."""
        if self.number > 0:
            return replace(self, number=self.number - 1)
        return replace(self, step=self.step - 1, number=self.shard.count - 1) if self.step > 0 else None

    @property
    def after(self) -> Self | None:
        """The place after it, maybe in the next step; None for the last one."""
        if self.number + 1 < self.shard.count:
            return replace(self, number=self.number + 1)
        return replace(self, step=self.step + 1, number=0) if self.step < last_step(self.shard) else None

    def key(self, size: int, seed: int) -> SampleKey:
        """Return the key of the sample at this place. size: N, the number of images."""
        return step_keys(size, seed, self.step, self.shard)[self.number]
