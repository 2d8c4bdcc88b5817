"""The loops of a crop along one row, compiled.

Columns are blended once for each source row that is needed, into 16 bits: (255 · 2049) >> 4 fits. Rows are then blended
many values at a time. A flip costs nothing: it mirrors the source positions of the columns.
"""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.kernels.compiled.simd import LANES, blend_pixel, blend_values, prefetch

WEIGHT_ONE = np.float32(2048)
"""`sampler.ops.resize.WEIGHT_ONE`, repeated because cached code may depend only on the files of this folder."""

PREFETCH_ROWS = 4
"""How many output rows in advance source rows are prefetched."""

CACHE_LINE = 64
"""Bytes of a line of the CPU's cache."""


@njit(nogil=True)
def tap(position: int, step: float) -> tuple[np.int64, np.float32]:
    """Return the first source position of an output position, ≥ −1, and the weight of the next one, 0–1.

    step: source positions per output position.
    """
    exact = np.float32((position + 0.5) * step - 0.5)
    first = np.floor(exact)
    return np.int64(first), np.float32(exact - first)


@njit(nogil=True)
def column_taps(
    size: int, source: int, start: int, flip: bool, taps: NDArray[np.int64], weights: NDArray[np.int16]
) -> None:
    """Fill (n,) taps, in elements of a row of (B, G, R), and (n, 2) weights of each and the next, 0 … 2048.

    The last pixel of a row has no next one; its weight there is 0.
    """
    step, count = 1.0 / (size / source), taps.shape[0]
    for k in range(count):
        first, fraction = tap(start + k, step)
        if first < 0 or first >= source - 1:
            fraction = np.float32(0)
            first = min(max(first, 0), source - 1)
        place = count - 1 - k if flip else k
        taps[place] = 3 * first
        weights[place, 0] = np.int16(np.rint((np.float32(1) - fraction) * WEIGHT_ONE))
        weights[place, 1] = np.int16(np.rint(fraction * WEIGHT_ONE))


@njit(nogil=True)
def blend_columns(
    row: NDArray[np.uint8], last: bool, taps: NDArray[np.int64], weights: NDArray[np.int16], out: NDArray[np.int16]
) -> None:
    """Blend neighbouring pixels of a source row, (3·W,) uint8, into (3·n + 1,) int16.

    Eight bytes are loaded from each tap, except in the last row of an image, which may end before that.
    """
    if not last:
        for k in range(taps.shape[0]):
            blend_pixel(row, taps[k], weights, k, out)
        return
    for k in range(taps.shape[0]):
        first, p, q = taps[k], np.int32(weights[k, 0]), np.int32(weights[k, 1])
        second = min(first + 3, row.shape[0] - 3)
        for channel in range(3):
            out[3 * k + channel] = (np.int32(row[first + channel]) * p + np.int32(row[second + channel]) * q) >> 4


@njit(nogil=True)
def blend_rows(
    top: NDArray[np.int16],
    bottom: NDArray[np.int16],
    p: np.int16,
    q: np.int16,
    out: NDArray[np.uint8],
    sums: NDArray[np.uint16],
) -> None:
    """Blend two rows of blended columns into (3·n,) uint8, each product cut to 16 bits; add them to `sums`."""
    whole = out.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        blend_values(top, bottom, p, q, out, k, sums)
    for k in range(whole, out.shape[0]):
        high = (np.int32(top[k]) * np.int32(p)) >> 16
        out[k] = np.uint8((high + ((np.int32(bottom[k]) * np.int32(q)) >> 16) + 2) >> 2)
        sums[k] += np.uint16(out[k])


@njit(nogil=True)
def prefetch_rows(rows: NDArray[np.uint8], above: int, fetched: int, taps: NDArray[np.int64]) -> int:
    """Prefetch what will be blended of source rows `above` and the next one; return the first row not yet fetched.

    Images are far larger than the CPU's caches, and no CPU predicts jumps from row to row. fetched: the last result.
    """
    first, last = min(taps[0], taps[-1]), max(taps[0], taps[-1])
    stop = min(above + 2, rows.shape[0])
    for source in range(max(fetched, above, 0), stop):
        for position in range(first, last + CACHE_LINE, CACHE_LINE):
            prefetch(rows[source], position)
    return stop if stop > fetched else fetched


@njit(nogil=True)
def copy_row(row: NDArray[np.uint8], first: int, flip: bool, out: NDArray[np.uint8]) -> None:
    """Copy pixels of a source row, starting at its element `first`, into (3·n,) uint8."""
    source = row[first : first + out.shape[0]]
    if not flip:
        for k in range(out.shape[0]):
            out[k] = source[k]
        return
    count = out.shape[0] // 3
    for k in range(count):
        for channel in range(3):
            out[3 * (count - 1 - k) + channel] = source[3 * k + channel]


@njit(nogil=True)
def add_row(row: NDArray[np.uint8], sums: NDArray[np.uint32]) -> None:
    """Add the (n,) values of a row to `sums`."""
    for k in range(row.shape[0]):
        sums[k] += np.uint32(row[k])


@njit(nogil=True)
def add_sums(part: NDArray[np.uint16], sums: NDArray[np.uint32]) -> None:
    """Add partial sums to the sums of all rows, and reset them to 0."""
    for k in range(part.shape[0]):
        sums[k] += np.uint32(part[k])
        part[k] = 0
