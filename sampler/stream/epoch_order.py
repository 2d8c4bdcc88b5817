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

from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.stream.keys import order_words

ROUNDS = 10
"""Each half is replaced five times; four rounds already pass for random to a reader of few positions."""

FIRST_FACTOR = np.array([0x9E3779B97F4A7C15], np.uint64)
MIXING = tuple(
    (np.array([shift], np.uint64), np.array([factor], np.uint64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
)
LAST_SHIFT = np.array([31], np.uint64)
"""Of SplitMix64, as arrays: those need no conversion at each use."""


def epoch_order(size: int, seed: int, epoch: int, positions: ArrayLike) -> NDArray[np.int64]:
    """Return the indices at `positions` of the epoch's order.

    size: N ≥ 1, the number of images. positions: integers 0 … N−1 of any shape; the result has the same shape,
    int64, 0 … N−1. Raises `InvalidRequestError` for a position out of range.
    """
    places = _places(size, positions)
    words = order_words(seed, epoch, ROUNDS)[:, np.newaxis]
    return _permute(size, places.ravel(), words).reshape(places.shape)


def epoch_orders(size: int, seed: int, epochs: NDArray[np.int64], positions: ArrayLike) -> NDArray[np.int64]:
    """Return `epoch_order` of each of (n,) epochs at its own of (n,) positions: (n,) int64.

    However many epochs there are, they cost one pass. Raises like `epoch_order`.
    """
    if len(epochs) and (epochs == epochs[0]).all():
        return epoch_order(size, seed, int(epochs[0]), positions)
    different, which = np.unique(epochs, return_inverse=True)
    words = np.empty((ROUNDS, len(different)), np.uint64)
    for column, epoch in enumerate(different.tolist()):
        words[:, column] = order_words(seed, epoch, ROUNDS)
    return _permute(size, _places(size, positions), words[:, which])


def _places(size: int, positions: ArrayLike) -> NDArray[np.uint64]:
    require_integer("size", size, 1, 1 << 62)
    places = np.asarray(positions)
    if places.size and (places.dtype.kind not in "iu" or places.min() < 0 or places.max() >= size):
        found = f"{places.dtype} {places.ravel()[:8].tolist()}…"
        raise InvalidRequestError("positions", found, f"integers from 0 to {size - 1}")
    return places.astype(np.uint64)


def _permute(size: int, cells: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return where cells 0 … N−1 go. words: (ROUNDS, 1) for all, or (ROUNDS, n), a column for each of n cells."""
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    cells = _permute_grid(cells, rows, columns, words)
    outside = np.flatnonzero(cells >= size)
    while outside.size:
        theirs = words if words.shape[1] == 1 else words[:, outside]
        cells[outside] = _permute_grid(cells[outside], rows, columns, theirs)
        outside = outside[cells[outside] >= size]
    return cells.astype(np.int64)


def _permute_grid(cells: NDArray[np.uint64], rows: int, columns: int, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # Few cells at a time are the rule, so what counts is how many calls NumPy gets and what it must convert for them.
    sides = np.array([[rows], [columns]], np.uint64)
    left, right = np.divmod(cells, sides[1])
    scratch = np.empty_like(cells)
    starts = words + FIRST_FACTOR
    for number in range(0, len(words), 2):
        left += _mix(right, starts[number], scratch) % sides[0]
        left %= sides[0]
        right += _mix(left, starts[number + 1], scratch) % sides[1]
        right %= sides[1]
    left *= sides[1]
    left += right
    return left


def _mix(values: NDArray[np.uint64], start: NDArray[np.uint64], scratch: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash each value with a key word (the finaliser of SplitMix64, Steele et al. 2014), modulo 2⁶⁴.

    start: the word plus `FIRST_FACTOR`: a value takes part as itself plus 1. scratch: of the shape of `values`.
    """
    x = values * FIRST_FACTOR
    x += start
    for shift, factor in MIXING:
        x ^= np.right_shift(x, shift, scratch)
        x *= factor
    x ^= np.right_shift(x, LAST_SHIFT, scratch)
    return x
