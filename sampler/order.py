"""The order of an epoch: a keyed permutation of 0 … N−1 that is evaluated where it is asked for.

A position is written as (left, right) in a grid of `rows × columns ≥ N` cells; each round adds to one half a
keyed function of the other, modulo the half's size, which can be undone, so the whole is a bijection of the grid
(Black and Rogaway, "Ciphers with arbitrary finite domains", 2002, the generalised Feistel network). Cells past N
are walked on from until one inside is met, which keeps it a bijection of 0 … N−1. The grid is almost square and
has fewer than 2·√N cells too many, so walks are rare and short. Nothing of size N is ever held.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sampler.errors import InvalidRequestError
from sampler.keys import order_words, require_integer

ROUNDS = 10
"""Each half is replaced five times; four rounds already pass for random to a reader of few positions."""


def epoch_order(size: int, seed: int, epoch: int, positions: ArrayLike) -> NDArray[np.int64]:
    """Return the indices at `positions` of the epoch's order.

    size: N ≥ 1, the number of images. positions: integers 0 … N−1 of any shape; the result has the same shape,
    int64, 0 … N−1. Raises `InvalidRequestError` for a position out of range.
    """
    require_integer("size", size, 1, 1 << 62)
    places = np.asarray(positions)
    if places.size and (places.dtype.kind not in "iu" or places.min() < 0 or places.max() >= size):
        found = f"{places.dtype} {places.ravel()[:8].tolist()}…"
        raise InvalidRequestError("positions", found, f"integers from 0 to {size - 1}")
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    words = order_words(seed, epoch, ROUNDS)
    cells = _permute_grid(places.astype(np.uint64).ravel(), rows, columns, words)
    outside = np.flatnonzero(cells >= size)
    while outside.size:
        cells[outside] = _permute_grid(cells[outside], rows, columns, words)
        outside = outside[cells[outside] >= size]
    return cells.astype(np.int64).reshape(places.shape)


def _permute_grid(cells: NDArray[np.uint64], rows: int, columns: int, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    left, right = cells // np.uint64(columns), cells % np.uint64(columns)
    for number, word in enumerate(words):
        if number % 2 == 0:
            left = (left + _mix(right, word) % np.uint64(rows)) % np.uint64(rows)
        else:
            right = (right + _mix(left, word) % np.uint64(columns)) % np.uint64(columns)
    return left * np.uint64(columns) + right


def _mix(values: NDArray[np.uint64], word: np.uint64) -> NDArray[np.uint64]:
    """Hash each value with a key word (the finaliser of SplitMix64, Steele et al. 2014), modulo 2⁶⁴."""
    x = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + word
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
