"""Places of samples in the stream of one training process, and the way from one to the next."""

from dataclasses import dataclass
from typing import Self

from sampler.stream.epoch_order import place_in_epoch
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, keys_from, last_step


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
    def of(cls, key: SampleKey, size: int, shard: Shard) -> Self | None:
        """Return the place of a sample; None if another rank gets it, or if it is beyond the last step.

        size: N, the number of images.
        """
        step, position = divmod(
            key.epoch * size + place_in_epoch(size, key.seed, key.epoch, key.index), shard.batch_size
        )
        start, stop = shard.bounds
        if not start <= position < stop or step > last_step(shard):
            return None
        return cls(step, shard, position - start)

    @classmethod
    def at(cls, samples_before: int, shard: Shard) -> Self | None:
        """Return the place with so many samples of the rank before it; None if the stream has no such place."""
        step, number = divmod(samples_before, shard.count)
        return cls(step, shard, number) if 0 <= step <= last_step(shard) else None

    @property
    def before(self) -> Self | None:
        """The place before it, maybe in the step before; None for the first one."""
        return self.at(self.samples_before - 1, self.shard)

    def after(self, count: int = 1) -> Self | None:
        """Return the place some samples later, maybe in another step; None beyond the last one."""
        return self.at(self.samples_before + count, self.shard)

    @property
    def samples_before(self) -> int:
        """The number of samples of the rank before this place, in all steps together."""
        return self.step * self.shard.count + self.number

    @property
    def position(self) -> int:
        """The position of the sample in the stream of all ranks."""
        return self.step * self.shard.batch_size + self.shard.bounds[0] + self.number

    def key(self, size: int, seed: int) -> SampleKey:
        """Return the key of the sample at this place. size: N, the number of images."""
        [key] = self.keys(size, seed, 1)
        return key

    def keys(self, size: int, seed: int, count: int) -> list[SampleKey]:
        """Return the keys of some samples from this place on, fewer at the end of the stream.

        size: N, the number of images. Raises `InvalidRequestError` for a place that the stream does not have.
        """
        return keys_from(size, seed, self.step, self.number, count, self.shard)
