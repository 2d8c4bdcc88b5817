"""The endless stream of one seed: which keys a step has, and which of them a rank takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.epoch_order import epoch_orders
from sampler.stream.keys import SEED_LIMIT, SampleKey

STEP_LIMIT = 1 << 62
"""Stream positions stay below 2⁶³ when step · batch size does; larger steps are refused."""

MOST_AT_ONCE = 512
"""Keys of a stream that are worked out at once, if a step has fewer: many cost little more than one."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of every global batch that one training process takes.

    batch_size: B ≥ 1, of all ranks together. rank: 0 … world_size−1. world_size: 1 … B, divisor of B or not.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` that names the field, its value and its range."""
        batch_size = require_integer("batch_size", self.batch_size, 1, STEP_LIMIT)
        world_size = require_integer("world_size", self.world_size, 1, batch_size)
        rank = require_integer("rank", self.rank, 0, world_size - 1)
        for field, value in (("batch_size", batch_size), ("world_size", world_size), ("rank", rank)):
            object.__setattr__(self, field, value)  # NumPy's integers become plain ones, which do not overflow

    @property
    def bounds(self) -> tuple[int, int]:
        """First place and end of this rank's part within a step, 0 … B."""
        start = self.rank * self.batch_size // self.world_size
        return start, (self.rank + 1) * self.batch_size // self.world_size

    @property
    def count(self) -> int:
        """How many samples this rank takes of each step: ⌊B/W⌋ or ⌈B/W⌉."""
        start, end = self.bounds
        return end - start


def step_keys(size: int, seed: int, step: int, shard: Shard) -> list[SampleKey]:
    """Return the keys that a rank takes of a step, in stream order.

    size: N, the number of images. step ≥ 0. Positions [step·B + ⌊r·B/W⌋, step·B + ⌊(r+1)·B/W⌋) of the stream;
    position p is place p % N of epoch p // N. Raises `InvalidRequestError` for values out of range.
    """
    size = require_integer("size", size, 1, STEP_LIMIT)
    seed = require_integer("seed", seed, 0, SEED_LIMIT - 1)
    step = require_integer("step", step, 0, STEP_LIMIT)
    first, end = (step * shard.batch_size + bound for bound in shard.bounds)
    if end > 1 << 63:
        raise InvalidRequestError("step", step, f"at most {(1 << 63) // shard.batch_size - 1} at this batch size")
    return _keys_at(size, seed, first + np.arange(end - first))


def last_step(shard: Shard) -> int:
    """Return the last step whose positions, of all ranks, are in range."""
    return min(STEP_LIMIT, (1 << 63) // shard.batch_size - 1)


def keys_of_steps(size: int, seed: int, first: int, count: int, shard: Shard) -> list[list[SampleKey]]:
    """Return what `step_keys` gives for each of `count` steps from `first` on, for little more than one.

    Raises `InvalidRequestError` for values out of range.
    """
    if count == 1 or first < 0 or first + count - 1 > last_step(shard):
        return [step_keys(size, seed, step, shard) for step in range(first, first + count)]
    size = require_integer("size", size, 1, STEP_LIMIT)
    seed = require_integer("seed", seed, 0, SEED_LIMIT - 1)
    start, end = shard.bounds
    steps = (first + np.arange(count)[:, np.newaxis]) * shard.batch_size
    keys = _keys_at(size, seed, (steps + np.arange(start, end)).ravel())
    return [keys[at : at + shard.count] for at in range(0, len(keys), shard.count)]


def stream_keys(size: int, seed: int, steps: range, shard: Shard) -> Iterator[list[SampleKey]]:
    """Yield what `step_keys` gives for each of `steps`, which follow one another; raise what it raises.

    At first one step is worked out, then ever more at once: a stream that is soon left should not have cost much.
    """
    at_once = 1
    while steps:
        in_range = max(1, last_step(shard) + 1 - steps.start)
        count = len(steps[: min(at_once, in_range)])
        yield from keys_of_steps(size, seed, steps.start, count, shard)
        steps = steps[count:]
        at_once = max(1, min(2 * at_once, MOST_AT_ONCE // shard.count))


def _keys_at(size: int, seed: int, positions: NDArray[np.int64]) -> list[SampleKey]:
    """Return the key at each of (n,) positions of the stream, below 2⁶³."""
    epochs, places = np.divmod(positions, size)
    indices = epoch_orders(size, seed, epochs, places)
    return list(map(SampleKey, repeat(seed), epochs.tolist(), indices.tolist()))
