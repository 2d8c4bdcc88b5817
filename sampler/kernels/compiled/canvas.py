"""A window pasted onto a black canvas that is then resized, compiled, without the canvas.

Only one row of the canvas is in memory at a time: it is blended along its columns, into 16 bits, before the next one
takes its place. See `sampler.kernels.compiled.crop` for the blending.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.kernels.compiled.crop import (
    PREFETCH_ROWS,
    WEIGHT_ONE,
    Bytes,
    add_sums,
    blend_columns,
    blend_rows,
    column_taps,
    fill_canvas,
    lines_of,
    tap,
    totals,
)
from sampler.kernels.compiled.intrinsics import prefetch
from sampler.kernels.compiled.jit import njit
from sampler.ops.resize import NOT_COVERED, Image, Pair

LOADED = 8
"""Bytes that are loaded from each tap."""

CACHE_LINE = 64
"""Bytes of a line of the CPU's cache."""


@njit(nogil=True)
def _copy(source: Bytes, out: Bytes) -> None:
    for k in range(out.shape[0]):
        out[k] = source[k]


@njit(nogil=True)
def _prefetch_row(row: Bytes, start: int, stop: int) -> None:
    for position in range(start, stop, CACHE_LINE):
        prefetch(row, position)


@njit(nogil=True)
def _resize_canvas(
    rows: Bytes,
    start: Pair,
    shape: Pair,
    offset: Pair,
    canvas: Pair,
    size: Pair,
    flip: bool,
    out: Bytes,
    sums: NDArray[np.uint32],
) -> None:
    """Fill `out` with the resized canvas and add its rows to `sums`.

    rows: (h, 3·w) uint8. start: (row, column) of the window in `rows`. shape, offset, canvas: as for
    `Kernels.resize_canvas`. size: (height, width) of `out`, which is flat. sums: (3·size[1],) sums of the columns.
    """
    count, bottom, step = size[1], canvas[0] - 1, 1.0 / (size[0] / canvas[0])
    taps, weights = np.empty(count, np.int64), np.empty((count, 2), np.int16)
    column_taps(count, canvas[1], 0, flip, taps, weights)
    line = np.zeros(3 * canvas[1] + LOADED, np.uint8)
    left, first, length = 3 * start[1], 3 * offset[1], 3 * shape[1]
    cached = np.full(2, -1, np.int64)
    blended, part = np.zeros((2, 3 * count + 1), np.int16), np.zeros(3 * count, np.uint16)
    for y in range(size[0]):
        above, fraction = tap(y, step)
        above = min(above, bottom)
        p = np.int16(np.rint((np.float32(1) - fraction) * WEIGHT_ONE))
        q = np.int16(np.rint(fraction * WEIGHT_ONE))
        upper, lower = max(above, 0), min(above + 1, bottom)
        for row in (upper, lower):
            if cached[row & 1] == row:
                continue
            cached[row & 1] = row
            inside = row - offset[0]
            if inside < 0 or inside >= shape[0]:
                blended[row & 1] = 0
                continue
            if inside + PREFETCH_ROWS < shape[0]:
                _prefetch_row(rows[start[0] + inside + PREFETCH_ROWS], left, left + length)
            _copy(rows[start[0] + inside][left : left + length], line[first : first + length])
            blend_columns(line, False, taps, weights, blended[row & 1])
        filled = out[3 * count * y : 3 * count * (y + 1)]
        blend_rows(blended[upper & 1], blended[lower & 1], p, q, filled, part)
        if y & 0xFF == 0xFF or y == size[0] - 1:  # 16 bits hold the sum of 257 rows of 255
            add_sums(part, sums)


def resize_canvas(
    image: Image,
    canvas: Pair,
    start: Pair,
    shape: Pair,
    offset: Pair,
    flip: bool,
    out: Image,
    source: Pair | None = None,
    origin: Pair = (0, 0),
) -> tuple[int, int, int]:
    """Fill `out` with a resized canvas; see `Kernels.resize_canvas`."""
    size = out.shape[0], out.shape[1]
    if canvas == size:
        whole = (image.shape[0], image.shape[1]) if source is None else source
        return fill_canvas(image, whole, start, shape, offset, flip, out, whole, origin)
    place = start[0] - origin[0], start[1] - origin[1]
    if min(shape) > 0 and not all(0 <= place[axis] <= image.shape[axis] - shape[axis] for axis in (0, 1)):
        raise ValueError(NOT_COVERED)
    sums = np.zeros(3 * size[1], np.uint32)
    _resize_canvas(lines_of(image), place, shape, offset, canvas, size, flip, out.reshape(-1), sums)
    blue, green, red = totals(sums)
    return int(blue), int(green), int(red)


KERNELS = (_resize_canvas,)
