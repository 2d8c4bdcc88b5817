"""The order of an epoch: a keyed permutation of 0 … N−1, evaluated at single positions without a table.

A position is written as a cell (left, right) of a grid of `rows × columns ≥ N` cells. Each round adds to one half a
keyed function of the other, modulo the half's size. Each round can be undone, so the whole is a bijection of the grid:
a generalised Feistel network (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). A cell past N is
permuted again until it is below N (cycle walking), which makes it a bijection of 0 … N−1. The grid is almost square and
has fewer than 2·√N cells too many, so this is rare.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.rng.philox import ORDER_DOMAIN, random_bits

ROUNDS = 10
"""Each half is replaced five times. Four rounds already look random to an observer of few positions."""

# The constants of SplitMix64, as arrays, which NumPy need not convert at each use.
FIRST_FACTOR = np.array([0x9E3779B97F4A7C15], np.uint64)
MIXING = tuple(
    (np.array([shift], np.uint64), np.array([factor], np.uint64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
)
LAST_SHIFT = np.array([31], np.uint64)


def epoch_order(size: int, seed: int, epochs: ArrayLike, positions: ArrayLike) -> NDArray[np.int64]:
    """Return the indices at `positions` of the order of an epoch.

    Args:
        size: N ≥ 1, the number of images.
        seed: 0 … 2⁶⁴−1.
        epochs: 0 … 2⁶³−1, one for all positions or (n,) for (n,) positions.
        positions: integers 0 … N−1, of any shape if there is one epoch.

    Returns:
        int64 of the same shape, 0 … N−1.

    Raises:
        InvalidRequestError: a position is out of range.
    """
    require_integer("size", size, 1, 1 << 62)
    places = np.asarray(positions)
    if places.size and (places.dtype.kind not in "iu" or places.min() < 0 or places.max() >= size):
        found = f"{places.dtype} {places.ravel()[:8].tolist()}…"
        raise InvalidRequestError("positions", found, f"integers from 0 to {size - 1}")
    distinct, column = np.unique(epochs, return_inverse=True)
    round_keys = np.empty((ROUNDS, len(distinct)), np.uint64)
    for number, epoch in enumerate(distinct.tolist()):
        round_keys[:, number] = random_bits(seed, ORDER_DOMAIN, epoch, 0, ROUNDS)
    if len(distinct) != 1:
        round_keys = round_keys[:, column]
    return _permute(size, places.ravel().astype(np.uint64), round_keys).reshape(places.shape)


def place_in_epoch(size: int, seed: int, epoch: int, index: int) -> int:
    """Return the position of an index in the order of an epoch, the inverse of `epoch_order`.

    Raises InvalidRequestError if the index is not 0 … size − 1.
    """
    require_integer("size", size, 1, 1 << 62)
    require_integer("index", index, 0, size - 1)
    round_keys = random_bits(seed, ORDER_DOMAIN, epoch, 0, ROUNDS).reshape(ROUNDS, 1)
    rows, columns = _grid(size)
    cell = np.array([index], np.uint64)
    while True:  # cells past the end are permuted again, in either direction
        cell = _permute_grid_back(cell, rows, columns, round_keys)
        if cell[0] < size:
            return int(cell[0])


def _grid(size: int) -> tuple[int, int]:
    rows = math.isqrt(size - 1) + 1
    return rows, -(-size // rows)


def _permute(size: int, cells: NDArray[np.uint64], round_keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Permute (n,) cells 0 … N−1. round_keys: (ROUNDS, 1) for all cells, or (ROUNDS, n) with a column for each."""
    rows, columns = _grid(size)
    cells = _permute_grid(cells, rows, columns, round_keys)
    outside = np.flatnonzero(cells >= size)
    while outside.size:
        keys = round_keys if round_keys.shape[1] == 1 else round_keys[:, outside]
        cells[outside] = _permute_grid(cells[outside], rows, columns, keys)
        outside = outside[cells[outside] >= size]
    return cells.astype(np.int64)


def _permute_grid(
    cells: NDArray[np.uint64], rows: int, columns: int, round_keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    # Usually there are few cells, so the number of NumPy calls and of conversions for them is what costs time.
    sides = np.array([[rows], [columns]], np.uint64)
    left, right = np.divmod(cells, sides[1])
    scratch = np.empty_like(cells)
    starts = round_keys + FIRST_FACTOR
    for number in range(0, ROUNDS, 2):
        left += _mix(right, starts[number], scratch) % sides[0]
        left %= sides[0]
        right += _mix(left, starts[number + 1], scratch) % sides[1]
        right %= sides[1]
    left *= sides[1]
    left += right
    return left


def _permute_grid_back(
    cells: NDArray[np.uint64], rows: int, columns: int, round_keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Undo `_permute_grid`."""
    sides = np.array([[rows], [columns]], np.uint64)
    left, right = np.divmod(cells, sides[1])
    scratch = np.empty_like(cells)
    starts = round_keys + FIRST_FACTOR
    for number in range(ROUNDS - 2, -1, -2):
        right += sides[1] - _mix(left, starts[number + 1], scratch) % sides[1]
        right %= sides[1]
        left += sides[0] - _mix(right, starts[number], scratch) % sides[0]
        left %= sides[0]
    left *= sides[1]
    left += right
    return left


def _mix(values: NDArray[np.uint64], start: NDArray[np.uint64], scratch: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash each value with a round key (the finaliser of SplitMix64, Steele et al. 2014), modulo 2⁶⁴.

    start: the round key plus `FIRST_FACTOR`, so that a value counts as itself plus 1. scratch: like `values`.
    """
    x = values * FIRST_FACTOR
    x += start
    for shift, factor in MIXING:
        x ^= np.right_shift(x, shift, scratch)
        x *= factor
    x ^= np.right_shift(x, LAST_SHIFT, scratch)
    return x
