"""The loops over pixels, compiled by Numba.

They do the very operations of the NumPy versions in `sampler.resize` and `sampler.colour`, in the same order and
precision: no fast-math, no fused multiply-add, so that every processor makes the same bytes. What they save is passes
over memory. They compile when first called, which takes seconds, unless `warm_up` finds them compiled before.
"""

from pathlib import Path
from typing import Protocol

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.colour import ColourMatrix
from sampler.kernels import Kernels
from sampler.resize import Image, resize_taps


@njit(nogil=True)
def _blend_row(
    row: NDArray[np.uint8],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    weights: NDArray[np.int32],
    out: NDArray[np.int32],
) -> None:
    """Blend neighbouring pixels of one source row, (3·W,) uint8, into (3·n,) int32; positions count elements."""
    for k in range(first.shape[0]):
        a, b, p, q = first[k], second[k], weights[0, k], weights[1, k]
        for channel in range(3):
            out[3 * k + channel] = (np.int32(row[a + channel]) * p + np.int32(row[b + channel]) * q) >> 4


@njit(nogil=True)
def _resize_rows(
    rows: NDArray[np.uint8],
    above: NDArray[np.int64],
    row_weights: NDArray[np.int32],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    column_weights: NDArray[np.int32],
    flip: bool,
    out: NDArray[np.uint8],
) -> None:
    """Fill `out` (n, m, 3) uint8. Each source row is blended once and held as long as output rows need it."""
    count = first.shape[0]
    held = np.full(2, -1, np.int64)
    blended = np.empty((2, 3 * count), np.int32)
    line = np.empty(3 * count, np.uint8)
    for y in range(above.shape[0]):
        upper, lower = max(above[y], 0), min(above[y] + 1, rows.shape[0] - 1)
        for source in (upper, lower):
            if held[source & 1] != source:
                _blend_row(rows[source], first, second, column_weights, blended[source & 1])
                held[source & 1] = source
        top, bottom, p, q = blended[upper & 1], blended[lower & 1], row_weights[0, y], row_weights[1, y]
        for k in range(3 * count):
            line[k] = np.uint8((((top[k] * p) >> 16) + ((bottom[k] * q) >> 16) + 2) >> 2)
        for k in range(count):
            place = count - 1 - k if flip else k
            for channel in range(3):
                out[y, place, channel] = line[3 * k + channel]


@njit(nogil=True)
def _copy_flipped(window: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    width = window.shape[1]
    for y in range(window.shape[0]):
        for x in range(width):
            for channel in range(3):
                out[y, width - 1 - x, channel] = window[y, x, channel]


@njit(nogil=True)
def _colour(pixels: NDArray[np.uint8], matrix: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for channel in range(3):
        blue, green, red, offset = matrix[channel]
        for y in range(pixels.shape[0]):
            row, line = pixels[y], out[channel, y]
            for x in range(pixels.shape[1]):
                value = blue * np.float32(row[x, 0])
                value = value + green * np.float32(row[x, 1])
                value = value + red * np.float32(row[x, 2])
                line[x] = value + offset


@njit(nogil=True)
def _channel_sums(pixels: NDArray[np.uint8]) -> tuple[int, int, int]:
    blue, green, red = 0, 0, 0
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(pixels.shape[1]):
            blue += row[x, 0]
            green += row[x, 1]
            red += row[x, 2]
    return blue, green, red


def paste_resized(
    image: Image, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int], flip: bool, out: Image
) -> None:
    """Do what `sampler.resize.paste_resized` does."""
    if out.size == 0:
        return
    height, width = image.shape[:2]
    if size == (height, width):
        window = image[rows[0] : rows[1], columns[0] : columns[1]]
        if flip:
            _copy_flipped(window, out)
        else:
            out[...] = window
        return
    above, row_weights = resize_taps(size[0], height, *rows)
    before, column_weights = resize_taps(size[1], width, *columns, clamp_weights=True)
    first, second = before * 3, np.minimum(before + 1, width - 1) * 3
    flat = np.ascontiguousarray(image).reshape(height, width * 3)
    _resize_rows(flat, above, row_weights, first, second, column_weights, flip, out)


def apply_colour(pixels: Image, matrix: ColourMatrix, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Do what `sampler.colour.apply_colour` does."""
    image = np.empty((3, *pixels.shape[:2]), np.float32) if out is None else out
    _colour(pixels, matrix, image)
    return image


def channel_sums(pixels: Image) -> tuple[int, int, int]:
    """Do what `sampler.colour.channel_sums` does."""
    blue, green, red = _channel_sums(pixels)
    return int(blue), int(green), int(red)


class Cacheable(Protocol):
    """A compiled function whose code can be kept on disk."""

    def enable_caching(self) -> None:
        """Keep it. Raises RuntimeError where no folder for it can be written."""
        ...


def keep_compiled(kernel: Cacheable, fallback: Path | None) -> None:
    """Keep a kernel's code on disk: where Numba would, else in `fallback`, else nowhere."""
    try:
        kernel.enable_caching()
    except RuntimeError:
        if fallback is None:
            return
        numba.config.CACHE_DIR = str(fallback)
        kernel.enable_caching()


COMPILED = Kernels(paste_resized, apply_colour, channel_sums)


def warm_up(fallback: Path | None = None) -> None:
    """Compile every kernel, or load what was compiled before, so that the first sample need not.

    Compiled code is kept beside this file or in the user's cache (or where NUMBA_CACHE_DIR says), for all processes
    to come. fallback: folder for it where none of these can be written, as in a read-only container.
    """
    for kernel in (_blend_row, _resize_rows, _copy_flipped, _colour, _channel_sums):
        keep_compiled(kernel, fallback)
    image = np.zeros((4, 4, 3), np.uint8)
    crop = np.zeros((8, 8, 3), np.uint8)
    for flip in (False, True):
        for size in ((4, 4), (9, 9)):
            paste_resized(image, size, (0, 4), (0, 4), flip, crop[2:6, 2:6])
    apply_colour(crop, np.zeros((3, 4), np.float32))
    channel_sums(crop)
