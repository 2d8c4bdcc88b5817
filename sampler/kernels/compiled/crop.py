"""The crop, compiled: a window of a resized image, written onto a canvas and summed in one pass.

The loops along one row are in `sampler.kernels.compiled.rows`.
"""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.kernels.compiled.rows import (
    PREFETCH_ROWS,
    WEIGHT_ONE,
    add_row,
    add_sums,
    blend_columns,
    blend_rows,
    column_taps,
    copy_row,
    prefetch_rows,
    tap,
)
from sampler.ops.resize import Image


@njit(nogil=True)
def _copy_rows(
    rows: NDArray[np.uint8],
    start: tuple[int, int],
    shape: tuple[int, int],
    flip: bool,
    out: NDArray[np.uint8],
    place: tuple[int, int],
    sums: NDArray[np.uint32],
) -> None:
    """Do the work of `_resize_rows` for a size that is the source's own."""
    for y in range(shape[0]):
        line = out[place[0] + y * place[1] : place[0] + y * place[1] + 3 * shape[1]]
        copy_row(rows[start[0] + y], 3 * start[1], flip, line)
        add_row(line, sums)


@njit(nogil=True)
def _resize_rows(
    rows: NDArray[np.uint8],
    size: tuple[int, int],
    start: tuple[int, int],
    shape: tuple[int, int],
    flip: bool,
    out: NDArray[np.uint8],
    place: tuple[int, int],
    sums: NDArray[np.uint32],
) -> None:
    """Write a window of the resized source into `out` and add its rows to `sums`.

    Each source row is blended once and cached while output rows need it. rows: (H, 3·W) uint8. size, start, shape: as
    for `Kernels.fill_canvas`. out: flat uint8. place: position in `out` of the window's first byte, and bytes from row
    to row. sums: (3·shape[1],) sums of the columns.
    """
    height, width, count = rows.shape[0], rows.shape[1] // 3, shape[1]
    if size[0] == height and size[1] == width:
        _copy_rows(rows, start, shape, flip, out, place, sums)
        return
    taps, weights = np.empty(count, np.int64), np.empty((count, 2), np.int16)
    column_taps(size[1], width, start[1], flip, taps, weights)
    cached = np.full(2, -1, np.int64)
    blended, part = np.empty((2, 3 * count + 1), np.int16), np.zeros(3 * count, np.uint16)
    step, fetched = 1.0 / (size[0] / height), 0
    for y in range(shape[0]):
        fetched = prefetch_rows(rows, tap(start[0] + y + PREFETCH_ROWS, step)[0], fetched, taps)
        above, fraction = tap(start[0] + y, step)
        above = min(above, height - 1)
        p = np.int16(np.rint((np.float32(1) - fraction) * WEIGHT_ONE))
        q = np.int16(np.rint(fraction * WEIGHT_ONE))
        upper, lower = max(above, 0), min(above + 1, height - 1)
        for source in (upper, lower):
            if cached[source & 1] != source:
                blend_columns(rows[source], source == height - 1 or width == 1, taps, weights, blended[source & 1])
                cached[source & 1] = source
        line = out[place[0] + y * place[1] : place[0] + y * place[1] + 3 * count]
        blend_rows(blended[upper & 1], blended[lower & 1], p, q, line, part)
        if y & 0xFF == 0xFF or y == shape[0] - 1:  # 16 bits hold the sum of 257 rows of 255
            add_sums(part, sums)


@njit(nogil=True)
def _blacken(out: NDArray[np.uint8], stride: int, top: int, bottom: int, left: int, right: int) -> None:
    """Set `out`, rows of `stride` bytes, to 0 except for bytes [left, right) of rows [top, bottom)."""
    out[: top * stride] = 0
    out[bottom * stride :] = 0
    for y in range(top, bottom):
        out[y * stride : y * stride + left] = 0
        out[y * stride + right : (y + 1) * stride] = 0


@njit(nogil=True)
def _totals(sums: NDArray[np.uint32]) -> tuple[np.int64, np.int64, np.int64]:
    """Return the sums of blue, green and red from the (3·n,) sums of columns."""
    blue = green = red = np.int64(0)
    for k in range(0, sums.shape[0], 3):
        blue, green, red = blue + np.int64(sums[k]), green + np.int64(sums[k + 1]), red + np.int64(sums[k + 2])
    return blue, green, red


def fill_canvas(
    image: Image,
    size: tuple[int, int],
    start: tuple[int, int],
    shape: tuple[int, int],
    offset: tuple[int, int],
    flip: bool,
    out: Image,
) -> tuple[int, int, int]:
    """Fill a canvas with a window of a resized image; see `Kernels.fill_canvas`."""
    flat, stride = out.reshape(-1), 3 * out.shape[1]
    left = 3 * (out.shape[1] - offset[1] - shape[1] if flip else offset[1])
    _blacken(flat, stride, offset[0], offset[0] + shape[0], left, left + 3 * shape[1])
    sums = np.zeros(3 * shape[1], np.uint32)
    if sums.size:
        _resize_rows(_lines(image), size, start, shape, flip, flat, (offset[0] * stride + left, stride), sums)
    blue, green, red = _totals(sums)
    return int(blue), int(green), int(red)


def _lines(image: Image) -> NDArray[np.uint8]:
    """Return (H, W, 3) pixels as a read-only (H, 3·W) view, of a copy if they are not contiguous."""
    height, width = image.shape[:2]
    lines = np.ascontiguousarray(image).reshape(height, width * 3)
    lines.flags.writeable = False  # of this view only: one compiled version then serves writable and read-only sources
    return lines


KERNELS = (_resize_rows, _blacken, _totals)
"""The compiled functions that this file calls."""


def warm_up() -> None:
    """Compile the kernels of this file, or load them from the cache."""
    image, crop = np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    fill_canvas(image, (9, 9), (0, 0), (4, 4), (2, 2), True, crop)
