"""NumPy's Philox 4×64-10, compiled: a new NumPy generator for each sample takes longer than its few random bits."""

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import intrinsic, njit, types

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
KEY_STEPS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
"""Added to each half of the key after a round."""


@intrinsic
def _high_half(_typing: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Return the upper 64 bits of the product of two uint64."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(values[0], wide), builder.zext(values[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(first, second), generate


@njit(nogil=True)
def _philox(words: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Fill `out`. words: two of the key, and the second to fourth of the counter, whose first word counts blocks."""
    for block in range((out.shape[0] + 3) // 4):
        key, other = words[0], words[1]
        a, b, c, d = np.uint64(block + 1), words[2], words[3], words[4]
        for _ in range(ROUNDS):
            first, second = _high_half(a, MULTIPLIERS[0]), _high_half(c, MULTIPLIERS[1])
            a, b, c, d = second ^ b ^ key, c * MULTIPLIERS[1], first ^ d ^ other, a * MULTIPLIERS[0]
            key, other = key + KEY_STEPS[0], other + KEY_STEPS[1]
        block_bits = (a, b, c, d)
        for n in range(min(4, out.shape[0] - 4 * block)):
            out[4 * block + n] = block_bits[n]


def random_bits(seed: int, domain: int, epoch: int, index: int, count: int) -> NDArray[np.uint64]:
    """Return random bits of a Philox stream; see `Kernels.random_bits`."""
    bits = np.empty(count, np.uint64)
    _philox(np.array((seed, domain, index, epoch, 0), np.uint64), bits)
    return bits


KERNELS = (_philox,)
