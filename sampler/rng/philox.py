"""Random bits that depend on nothing but the numbers that name them.

The generator is Philox 4×64 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). It is
counter-based: a block of random bits is a function of (key, counter) alone. The seed is one half of the key, the epoch
and the index are words of the counter, so no two samples share a block, whatever their seeds and epochs.

Only raw 64-bit integers are taken from NumPy, which guarantees that they stay the same between versions. It does not
guarantee that for distributions; those are in `sampler.rng.distributions`.
"""

import numpy as np
from numpy.typing import NDArray

RECIPE_DOMAIN = 0x5ACCADE0_0000_0001
"""The other half of the key for recipes; each use of a seed has its own domain."""
ORDER_DOMAIN = 0x5ACCADE0_0000_0002
"""The same for epoch orders."""
SUBSTITUTE_DOMAIN = 0x5ACCADE0_0000_0003
"""The same for the images that replace unusable ones."""


def random_bits(seed: int, domain: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
    """Return the first `count` integers of 64 random bits of one stream: (count,) uint64.

    Args:
        seed: 0 … 2⁶⁴−1.
        domain: what the bits are for, 0 … 2⁶⁴−1.
        epoch: 0 … 2⁶³−1.
        index: 0 … 2⁶³−1.
        count: how many; a longer stream starts with the same integers.
    """
    # The lowest word of the counter counts the blocks of one stream, so it starts at 0.
    key = np.array([seed, domain], dtype=np.uint64)
    counter = np.array([0, index, epoch, 0], dtype=np.uint64)
    bits: NDArray[np.uint64] = np.random.Philox(key=key, counter=counter).random_raw(count)
    return bits
