"""Names of samples, and the random words that belong to each.

The generator is Philox 4×64 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which is
counter-based: a block of random words is a function of (key, counter) alone. Here the seed is half of the key and
epoch and index are words of the counter, so no two samples share a block, whatever their seeds and epochs.

Only raw 64-bit words are taken from NumPy. Its bit streams are promised to stay as they are between versions; its
distributions are not, so those are computed in `sampler.rng.distributions`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampler.checks import require_integer

SEED_LIMIT = 1 << 64
EPOCH_LIMIT = 1 << 63
INDEX_LIMIT = 1 << 63

RECIPE_DOMAIN = 0x5ACCADE0_0000_0001
"""Second half of the Philox key for recipes: keeps them apart from every other use of the same seed."""
ORDER_DOMAIN = 0x5ACCADE0_0000_0002
"""The same for epoch orders."""


@dataclass(frozen=True, slots=True, order=True)
class SampleKey:
    """The name of one sample: seed (0 … 2⁶⁴−1), epoch and dataset index (0 … 2⁶³−1)."""

    seed: int
    epoch: int
    index: int

    def __post_init__(self) -> None:
        """Raise `InvalidRequestError` for a word that is no integer in its range."""
        seed, epoch, index = self.seed, self.epoch, self.index
        if type(seed) is type(epoch) is type(index) is int and (
            0 <= seed < SEED_LIMIT and 0 <= epoch < EPOCH_LIMIT and 0 <= index < INDEX_LIMIT
        ):
            return  # as nearly always; what follows says what is wrong, or takes NumPy's integers
        for field, limit in (("seed", SEED_LIMIT), ("epoch", EPOCH_LIMIT), ("index", INDEX_LIMIT)):
            # NumPy's integers become plain ones: they overflow, and neither JSON nor msgpack writes them.
            object.__setattr__(self, field, require_integer(field, getattr(self, field), 0, limit - 1))

    def as_dict(self) -> dict[str, int]:
        """The three words by name, as they travel on the wire."""
        return {"seed": self.seed, "epoch": self.epoch, "index": self.index}


def random_words(seed: int, domain: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
    """Return the first `count` words of the stream that these name, each below 2⁶⁴: (count,) uint64."""
    # The lowest counter word numbers the blocks within one stream, so it starts at 0 and is left free.
    key = np.array([seed, domain], dtype=np.uint64)
    counter = np.array([0, index, epoch, 0], dtype=np.uint64)
    words: NDArray[np.uint64] = np.random.Philox(key=key, counter=counter).random_raw(count)
    return words


def recipe_words(
    key: SampleKey, count: int, words: Callable[[int, int, int, int, int], NDArray[np.uint64]] = random_words
) -> NDArray[np.uint64]:
    """Return the first `count` random words of a sample: (count,) uint64, the same for ever.

    words: what makes them, the very same as `random_words` does.
    """
    return words(key.seed, RECIPE_DOMAIN, key.epoch, key.index, count)


def order_words(seed: int, epoch: int, count: int) -> NDArray[np.uint64]:
    """Return `count` random words for the order of one epoch: (count,) uint64."""
    return random_words(seed, ORDER_DOMAIN, epoch, 0, count)
