"""The crop, compiled: a window of a resized image, written onto a canvas and summed in one pass.

Columns are blended once for each source row that is needed, into 16 bits: (255 · 2049) >> 4 fits. Rows are then blended
many values at a time. A flip costs nothing: it mirrors the source positions of the columns.

The source may be a part of an image. Positions are then computed for the whole image and moved by the part's origin
when pixels are read.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Integers
from sampler.kernels.compiled.intrinsics import LANES, blend_pixel, blend_values, prefetch
from sampler.kernels.compiled.jit import njit
from sampler.ops.resize import NOT_COVERED, Image, Pair

Bytes = NDArray[np.uint8]
Shorts = NDArray[np.int16]

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
def column_taps(size: int, source: int, start: int, flip: bool, taps: Integers, weights: Shorts) -> None:
    """Fill (n,) taps, in elements of a row of the image, and (n, 2) weights of each and the next, 0 … 2048.

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
def blend_columns(row: Bytes, last: bool, taps: Integers, weights: Shorts, out: Shorts) -> None:
    """Blend neighbouring pixels of a source row, (3·W,) uint8, into (3·n + 1,) int16.

    Eight bytes are loaded from each tap, except in the last row of the array, which may end before that.
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
def blend_rows(top: Shorts, bottom: Shorts, p: np.int16, q: np.int16, out: Bytes, sums: NDArray[np.uint16]) -> None:
    """Blend two rows of blended columns into (3·n,) uint8, each product cut to 16 bits; add them to `sums`."""
    whole = out.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        blend_values(top, bottom, p, q, out, k, sums)
    for k in range(whole, out.shape[0]):
        high = (np.int32(top[k]) * np.int32(p)) >> 16
        out[k] = np.uint8((high + ((np.int32(bottom[k]) * np.int32(q)) >> 16) + 2) >> 2)
        sums[k] += np.uint16(out[k])


@njit(nogil=True)
def _prefetch_rows(rows: Bytes, above: int, fetched: int, taps: Integers) -> int:
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
def _copy_row(row: Bytes, first: int, flip: bool, out: Bytes) -> None:
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
def _add_row(row: Bytes, sums: NDArray[np.uint32]) -> None:
    """Add the (n,) values of a row to `sums`."""
    for k in range(row.shape[0]):
        sums[k] += np.uint32(row[k])


@njit(nogil=True)
def add_sums(part: NDArray[np.uint16], sums: NDArray[np.uint32]) -> None:
    """Move partial sums into the sums of all rows."""
    for k in range(part.shape[0]):
        sums[k] += np.uint32(part[k])
        part[k] = 0


@njit(nogil=True)
def _copy_rows(
    rows: Bytes, start: Pair, shape: Pair, flip: bool, out: Bytes, place: Pair, sums: NDArray[np.uint32]
) -> bool:
    """Do the work of `_resize_rows` for a size that is the image's own. start: of the window in `rows`."""
    if start[0] < 0 or start[0] + shape[0] > rows.shape[0] or start[1] < 0 or 3 * (start[1] + shape[1]) > rows.shape[1]:
        return False
    for y in range(shape[0]):
        line = out[place[0] + y * place[1] : place[0] + y * place[1] + 3 * shape[1]]
        _copy_row(rows[start[0] + y], 3 * start[1], flip, line)
        _add_row(line, sums)
    return True


@njit(nogil=True)
def _holds_taps(rows: Bytes, source: Pair, origin: Pair, first: int, last: int, taps: Integers) -> bool:
    """Return whether a part holds every pixel that is blended.

    first, last: upper source row of the first and of the last output row. taps: of the columns, in elements of a row of
    the part.
    """
    top, bottom = min(max(first, 0), source[0] - 1), min(last + 1, source[0] - 1)
    left, right = min(taps[0], taps[-1]), max(taps[0], taps[-1])
    right = min(right + 3, 3 * (source[1] - 1 - origin[1]))
    return top >= origin[0] and bottom < origin[0] + rows.shape[0] and left >= 0 and right < rows.shape[1]


@njit(nogil=True)
def _resize_rows(
    rows: Bytes,
    source: Pair,
    origin: Pair,
    size: Pair,
    start: Pair,
    shape: Pair,
    flip: bool,
    out: Bytes,
    place: Pair,
    sums: NDArray[np.uint32],
) -> bool:
    """Write a window of the resized image into `out` and add its rows to `sums`; return whether `rows` hold it all.

    Each source row is blended once and cached while output rows need it. rows: (h, 3·w) uint8 of the image or a part.
    source, origin, size, start, shape: as for `Kernels.fill_canvas`. out: flat uint8. place: position in `out` of the
    window's first byte, and bytes from row to row. sums: (3·shape[1],) sums of the columns.
    """
    height, count, bottom = source[0], shape[1], rows.shape[0] - 1
    if size[0] == height and size[1] == source[1]:
        start = start[0] - origin[0], start[1] - origin[1]
        copied: bool = _copy_rows(rows, start, shape, flip, out, place, sums)
        return copied
    taps, weights = np.empty(count, np.int64), np.empty((count, 2), np.int16)
    column_taps(size[1], source[1], start[1], flip, taps, weights)
    for k in range(count):
        taps[k] -= 3 * origin[1]
    step, fetched = 1.0 / (size[0] / height), 0
    if not _holds_taps(rows, source, origin, tap(start[0], step)[0], tap(start[0] + shape[0] - 1, step)[0], taps):
        return False
    cached = np.full(2, -1, np.int64)
    blended, part = np.empty((2, 3 * count + 1), np.int16), np.zeros(3 * count, np.uint16)
    for y in range(shape[0]):
        ahead = tap(start[0] + y + PREFETCH_ROWS, step)[0] - origin[0]
        fetched = _prefetch_rows(rows, ahead, fetched, taps)
        above, fraction = tap(start[0] + y, step)
        above = min(above, height - 1)
        p = np.int16(np.rint((np.float32(1) - fraction) * WEIGHT_ONE))
        q = np.int16(np.rint(fraction * WEIGHT_ONE))
        upper, lower = max(above, 0) - origin[0], min(above + 1, height - 1) - origin[0]
        for row in (upper, lower):
            if cached[row & 1] != row:
                blend_columns(rows[row], row == bottom or rows.shape[1] == 3, taps, weights, blended[row & 1])
                cached[row & 1] = row
        line = out[place[0] + y * place[1] : place[0] + y * place[1] + 3 * count]
        blend_rows(blended[upper & 1], blended[lower & 1], p, q, line, part)
        if y & 0xFF == 0xFF or y == shape[0] - 1:  # 16 bits hold the sum of 257 rows of 255
            add_sums(part, sums)
    return True


@njit(nogil=True)
def _blacken(out: Bytes, stride: int, top: int, bottom: int, left: int, right: int) -> None:
    """Set `out`, rows of `stride` bytes, to 0 except for bytes [left, right) of rows [top, bottom)."""
    out[: top * stride] = 0
    out[bottom * stride :] = 0
    for y in range(top, bottom):
        out[y * stride : y * stride + left] = 0
        out[y * stride + right : (y + 1) * stride] = 0


@njit(nogil=True)
def totals(sums: NDArray[np.uint32]) -> tuple[np.int64, np.int64, np.int64]:
    """Return the sums of blue, green and red from the (3·n,) sums of columns."""
    blue = green = red = np.int64(0)
    for k in range(0, sums.shape[0], 3):
        blue, green, red = blue + np.int64(sums[k]), green + np.int64(sums[k + 1]), red + np.int64(sums[k + 2])
    return blue, green, red


def fill_canvas(
    image: Image,
    size: Pair,
    start: Pair,
    shape: Pair,
    offset: Pair,
    flip: bool,
    out: Image,
    source: Pair | None = None,
    origin: Pair = (0, 0),
) -> tuple[int, int, int]:
    """Fill a canvas with a window of a resized image; see `Kernels.fill_canvas`."""
    flat, stride = out.reshape(-1), 3 * out.shape[1]
    left = 3 * (out.shape[1] - offset[1] - shape[1] if flip else offset[1])
    _blacken(flat, stride, offset[0], offset[0] + shape[0], left, left + 3 * shape[1])
    sums = np.zeros(3 * shape[1], np.uint32)
    if sums.size and shape[0]:
        whole = image.shape[:2] if source is None else source
        place = offset[0] * stride + left, stride
        if not _resize_rows(lines_of(image), whole, origin, size, start, shape, flip, flat, place, sums):
            raise ValueError(NOT_COVERED)
    blue, green, red = totals(sums)
    return int(blue), int(green), int(red)


def lines_of(image: Image) -> Bytes:
    """Return (H, W, 3) pixels as a read-only (H, 3·W) view, of a copy if they are not contiguous."""
    height, width = image.shape[:2]
    lines = np.ascontiguousarray(image).reshape(height, width * 3)
    lines.flags.writeable = False  # of this view only: one compiled version then serves writable and read-only sources
    return lines


KERNELS = (_resize_rows, _blacken, totals)
