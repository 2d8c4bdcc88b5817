"""The endless stream of one seed, cut into steps, and the steps into shards for ranks.

Position p of the stream is place p % N of the order of epoch p // N, for a dataset of N images. Step s has the
positions s·B … (s+1)·B − 1, for a global batch size B. Rank r of W takes the positions from s·B + ⌊r·B/W⌋ up to, not
including, s·B + ⌊(r+1)·B/W⌋.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from sampler.arrays import Integers
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.epoch_order import epoch_order
from sampler.stream.keys import SEED_LIMIT, SampleKey

STEP_LIMIT = 1 << 62
"""The largest step of any batch size."""

POSITION_LIMIT = 1 << 63

KEYS_AT_ONCE = 512
"""Keys of a stream that are computed in one pass; many cost little more than one."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of every global batch that one training process takes.

    Attributes:
        batch_size: B ≥ 1, of all ranks together.
        rank: 0 … world_size−1.
        world_size: 1 … B; need not divide B.

    Raises:
        InvalidRequestError: a value is no integer in its range.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        batch_size = require_integer("batch_size", self.batch_size, 1, STEP_LIMIT)
        world_size = require_integer("world_size", self.world_size, 1, STEP_LIMIT)
        if world_size > batch_size:
            raise InvalidRequestError("world_size", world_size, f"an integer from 1 to batch_size = {batch_size}")
        rank = require_integer("rank", self.rank, 0, world_size - 1)
        for field, value in (("batch_size", batch_size), ("world_size", world_size), ("rank", rank)):
            object.__setattr__(self, field, value)

    @property
    def bounds(self) -> tuple[int, int]:
        """Start and stop of this rank's part of a step, within 0 … B."""
        start = self.rank * self.batch_size // self.world_size
        return start, (self.rank + 1) * self.batch_size // self.world_size

    @property
    def count(self) -> int:
        """Samples of this rank per step: ⌊B/W⌋ or ⌈B/W⌉."""
        start, stop = self.bounds
        return stop - start


def last_step(shard: Shard) -> int:
    """Return the last step whose positions, of all ranks, are below 2⁶³."""
    return min(STEP_LIMIT, POSITION_LIMIT // shard.batch_size - 1)


def step_keys(size: int, seed: int, step: int, shard: Shard) -> list[SampleKey]:
    """Return the keys of a rank's part of one step, in stream order.

    Args:
        size: N ≥ 1, the number of images.
        seed: 0 … 2⁶⁴−1.
        step: 0 … `last_step(shard)`.
        shard: the rank's part.

    Raises:
        InvalidRequestError: a value is out of range.
    """
    step = require_integer("step", step, 0, STEP_LIMIT)
    [keys] = _keys_of_steps(size, seed, range(step, step + 1), shard)
    return keys


def stream_keys(size: int, seed: int, steps: range, shard: Shard) -> Iterator[list[SampleKey]]:
    """Yield the `step_keys` of each of `steps`, a range of step width 1. Raises InvalidRequestError like it."""
    at_once = 1  # grows, so that a stream that is closed early costs little
    while steps:
        in_range = max(1, last_step(shard) + 1 - steps.start)
        chunk = steps[: min(at_once, in_range)]
        yield from _keys_of_steps(size, seed, chunk, shard)
        steps = steps[len(chunk) :]
        at_once = max(1, min(2 * at_once, KEYS_AT_ONCE // shard.count))


def keys_from(size: int, seed: int, step: int, first: int, count: int, shard: Shard) -> list[SampleKey]:
    """Return some consecutive keys of a rank's part of the stream, which need not begin or end with a step.

    Fewer are returned where the stream ends, with step `last_step(shard)`.

    Args:
        size: N ≥ 1, the number of images.
        seed: 0 … 2⁶⁴−1.
        step: 0 … `last_step(shard)`.
        first: number of keys of this step to leave out, 0 … `shard.count` − 1.
        count: number of keys, at least 0.
        shard: the rank's part.

    Raises:
        InvalidRequestError: a value is out of range.
    """
    seed = require_integer("seed", seed, 0, SEED_LIMIT - 1)
    step = require_integer("step", step, 0, last_step(shard))
    first = require_integer("first", first, 0, shard.count - 1)
    begin, end = step * shard.count + first, (last_step(shard) + 1) * shard.count
    steps, places = np.divmod(begin + np.arange(min(count, end - begin), dtype=np.int64), shard.count)
    return _keys_at(size, seed, steps * shard.batch_size + shard.bounds[0] + places)


def _keys_of_steps(size: int, seed: int, steps: range, shard: Shard) -> list[list[SampleKey]]:
    size = require_integer("size", size, 1, STEP_LIMIT)
    seed = require_integer("seed", seed, 0, SEED_LIMIT - 1)
    first = require_integer("step", steps[0], 0, STEP_LIMIT)
    if steps[-1] > last_step(shard):
        raise InvalidRequestError("step", steps[-1], f"at most {last_step(shard)} at this batch size")
    step_starts = (first + np.arange(len(steps), dtype=np.int64)) * shard.batch_size
    positions = (step_starts[:, np.newaxis] + np.arange(*shard.bounds)).ravel()
    keys = _keys_at(size, seed, positions)
    return [keys[start : start + shard.count] for start in range(0, len(keys), shard.count)]


def _keys_at(size: int, seed: int, positions: Integers) -> list[SampleKey]:
    """Return the keys at (n,) positions of the stream."""
    epochs, places = np.divmod(positions, size)
    indices = epoch_order(size, seed, epochs, places)
    return list(map(SampleKey, repeat(seed), epochs.tolist(), indices.tolist()))
