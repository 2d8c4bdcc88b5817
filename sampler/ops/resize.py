"""Any window of a bilinearly resized image, without making the rest of it.

This is the integer arithmetic of OpenCV's `resize` for uint8 and INTER_LINEAR: each weight is rounded to 11 bits,
rows are blended first (32-bit), then columns with the two partial products cut to 16 bits and the sum rounded by
two more. Byte-identical to resizing the whole image and cutting the window out, at a cost that depends on the window
alone.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.ops.colour import channel_sums

WEIGHT_ONE = 2048
"""A weight of 1 in fixed point: 11 bits, OpenCV's INTER_RESIZE_COEF_SCALE."""

Image = NDArray[np.uint8]


def resize_window(image: Image, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> Image:
    """Return rows [rows[0], rows[1]) and columns [columns[0], columns[1]) of `image` resized to `size`.

    image: (H, W, 3) uint8. size: (height, width) of the whole resized image, at least 1 each; it is never made.
    Returns (rows[1]−rows[0], columns[1]−columns[0], 3) uint8, a new array.
    """
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return np.zeros((max(0, rows[1] - rows[0]), max(0, columns[1] - columns[0]), 3), np.uint8)
    if size == image.shape[:2]:
        return image[rows[0] : rows[1], columns[0] : columns[1]].copy()
    above, row_weights = resize_taps(size[0], image.shape[0], *rows)
    before, column_weights = resize_taps(size[1], image.shape[1], *columns, clamp_weights=True)
    below = np.minimum(above + 1, image.shape[0] - 1)
    needed, places = np.unique(np.concatenate([np.maximum(above, 0), below]), return_inverse=True)
    blended = _blend_columns(image[needed], before, column_weights)
    upper, lower = places[: len(above)], places[len(above) :]
    return _blend_rows(blended, upper, lower, row_weights)


def paste_resized(
    image: Image, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int], flip: bool, out: Image
) -> None:
    """Write what `resize_window` returns into `out`, which has its shape; with `flip`, columns reversed."""
    window = resize_window(image, size, rows, columns)
    out[...] = window[:, ::-1] if flip else window


def fill_canvas(
    image: Image,
    size: tuple[int, int],
    start: tuple[int, int],
    shape: tuple[int, int],
    offset: tuple[int, int],
    flip: bool,
    out: Image,
) -> tuple[int, int, int]:
    """Write a window of `image` resized to `size` onto a canvas, black elsewhere; return the sums of its channels.

    start: (row, column) of the window in the resized image. shape: its (height, width). offset: (y, x) of its place
    on the canvas, before a `flip` of the whole canvas. out: (S, S, 3) uint8, C order, the canvas, which holds
    anything before.
    """
    out.fill(0)
    left = out.shape[1] - offset[1] - shape[1] if flip else offset[1]
    region = out[offset[0] : offset[0] + shape[0], left : left + shape[1]]
    rows, columns = (start[0], start[0] + shape[0]), (start[1], start[1] + shape[1])
    paste_resized(image, size, rows, columns, flip, region)
    return channel_sums(region)


def resize_taps(
    size: int, source: int, start: int, stop: int, *, clamp_weights: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the first source position of each output position, and (2, n) weights of it and the next, 0 … 2048.

    The two weights are rounded each by itself, as OpenCV does it: past 8192 output positions they may miss a sum
    of 2048 by one. Along columns OpenCV moves taps that stick out onto the edge pixel; along rows it only repeats
    the edge row, so there the first position may be −1 and weights stay as they are.
    """
    step = 1.0 / (size / source)
    exact = ((np.arange(start, stop) + 0.5) * step - 0.5).astype(np.float32)
    first = np.floor(exact)
    fraction = exact - first
    positions = first.astype(np.intp)
    if clamp_weights:
        outside = (positions < 0) | (positions >= source - 1)
        fraction[outside] = 0
        positions = np.clip(positions, 0, source - 1)
    weights = np.rint(np.stack([np.float32(1) - fraction, fraction]) * np.float32(WEIGHT_ONE)).astype(np.int32)
    return np.minimum(positions, source - 1), weights


def _blend_columns(rows: Image, before: NDArray[np.intp], weights: NDArray[np.int32]) -> NDArray[np.int32]:
    after = np.minimum(before + 1, rows.shape[1] - 1)
    first, second = weights[:, None, :, None]
    blended: NDArray[np.int32] = rows[:, before].astype(np.int32) * first + rows[:, after].astype(np.int32) * second
    return blended


def _blend_rows(
    rows: NDArray[np.int32], upper: NDArray[np.intp], lower: NDArray[np.intp], weights: NDArray[np.int32]
) -> Image:
    first, second = weights[:, :, None, None]
    halved = rows >> 4
    top = (halved[upper] * first) >> 16
    top += (halved[lower] * second) >> 16
    rounded: Image = ((top + 2) >> 2).astype(np.uint8)
    return rounded
