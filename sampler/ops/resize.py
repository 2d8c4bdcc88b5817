"""Any window of a bilinearly resized image, without the rest of the image.

This is the integer arithmetic of OpenCV's `resize` for uint8 and INTER_LINEAR: each weight is rounded to 11 bits,
columns are blended first (32 bits), then rows, with the two partial products cut to 16 bits and the sum rounded by two
more. The result is byte-identical to the same window of the whole resized image; the cost depends on the window alone.
"""

import numpy as np
from numpy.typing import NDArray

WEIGHT_ONE = 2048
"""A weight of 1 in fixed point: 11 bits, OpenCV's INTER_RESIZE_COEF_SCALE."""

NOT_COVERED = "the part of the image lacks pixels that the window is blended from"

Image = NDArray[np.uint8]
Pair = tuple[int, int]
"""A size (height, width) or a position (y, x)."""


def resize_window(
    image: Image, size: Pair, rows: Pair, columns: Pair, source: Pair | None = None, origin: Pair = (0, 0)
) -> Image:
    """Return a window of an image resized to `size`, as a new array.

    Args:
        image: (H, W, 3), the image or a part that holds every pixel that the window is blended from.
        size: (height, width) of the whole resized image.
        rows: [start, stop) of the window; so are `columns`.
        columns: See `rows`.
        source: (height, width) of the image of which `image` is a part; None if it is the whole image.
        origin: (row, column) in the image of the first pixel of `image`.

    Raises:
        ValueError: The part does not hold every pixel that the window is blended from.
    """
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return np.zeros((max(0, rows[1] - rows[0]), max(0, columns[1] - columns[0]), 3), np.uint8)
    height, width = source or image.shape[:2]
    if size == (height, width):
        top, bottom = _places(np.array((rows[0], rows[1] - 1)), origin[0], image.shape[0]).tolist()
        left, right = _places(np.array((columns[0], columns[1] - 1)), origin[1], image.shape[1]).tolist()
        return image[top : bottom + 1, left : right + 1].copy()
    above, row_weights = resize_taps(size[0], height, *rows)
    before, column_weights = resize_taps(size[1], width, *columns, clamp_weights=True)
    below, after = np.minimum(above + 1, height - 1), np.minimum(before + 1, width - 1)
    needed, places = np.unique(np.concatenate([np.maximum(above, 0), below]), return_inverse=True)
    lines = image[_places(needed, origin[0], image.shape[0])]
    before, after = _places(before, origin[1], image.shape[1]), _places(after, origin[1], image.shape[1])
    blended = _blend_columns(lines, before, after, column_weights)
    upper, lower = places[: len(above)], places[len(above) :]
    return _blend_rows(blended, upper, lower, row_weights)


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
    """Fill a canvas with a window of a resized image; see `sampler.kernels.interface.Kernels.fill_canvas`."""
    rows, columns = (start[0], start[0] + shape[0]), (start[1], start[1] + shape[1])
    window = resize_window(image, size, rows, columns, source, origin)
    left = out.shape[1] - offset[1] - shape[1] if flip else offset[1]
    out.fill(0)
    out[offset[0] : offset[0] + shape[0], left : left + shape[1]] = window[:, ::-1] if flip else window
    blue, green, red = window.sum(axis=(0, 1), dtype=np.int64).tolist()
    return blue, green, red


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
    """Fill `out` with a resized canvas; see `sampler.kernels.interface.Kernels.resize_canvas`."""
    pasted, size = np.empty((*canvas, 3), np.uint8), (out.shape[0], out.shape[1])
    whole = source or (image.shape[0], image.shape[1])
    fill_canvas(image, whole, start, shape, offset, False, pasted, whole, origin)
    return fill_canvas(pasted, size, (0, 0), size, (0, 0), flip, out)


def resize_taps(
    size: int, source: int, start: int, stop: int, *, clamp_weights: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return (n,) the first source position of each output position, and (2, n) weights of it and the next, 0 … 2048.

    Each weight is rounded by itself, as in OpenCV: beyond 8192 output positions their sum may miss 2048 by one. Along
    columns OpenCV moves positions outside the image onto the edge pixel. Along rows it only repeats the edge row, so
    the first position may be −1 and the weights stay as they are.
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


def _places(positions: NDArray[np.intp], origin: int, length: int) -> NDArray[np.intp]:
    """Return where positions of an image are in a part of `length` from `origin` on. Raises ValueError if they are not.

    NumPy would take negative places from the other end.
    """
    places = positions - origin
    if places.min() < 0 or places.max() >= length:
        raise ValueError(NOT_COVERED)
    return places


def _blend_columns(
    rows: Image, before: NDArray[np.intp], after: NDArray[np.intp], weights: NDArray[np.int32]
) -> NDArray[np.int32]:
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
