"""The loops over pixels, compiled by Numba.

They do the operations of the NumPy versions in `sampler.ops`, in the
same order and precision: no fast-math, no fused multiply-add, so that every processor makes the same bytes. What they
save is passes over memory. They compile when first called, which takes seconds, unless `warm_up` finds them compiled
before. Here is the crop, whose loops along a row are in `sampler.kernels.compiled.rows`; those that render are in
`sampler.kernels.compiled.colour`.
"""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

from pathlib import Path
from typing import Protocol

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.kernels.compiled.boxes import PLANNING, clip_boxes, frame_boxes, warm_up_planning
from sampler.kernels.compiled.code_cache import forget_stale
from sampler.kernels.compiled.colour import RENDERING, apply_colour, warm_up_rendering
from sampler.kernels.compiled.philox import WORDS, random_words
from sampler.kernels.compiled.rows import (
    AHEAD,
    WEIGHT_ONE,
    add,
    add_row,
    blend_columns,
    blend_rows,
    column_taps,
    copy_row,
    fetch,
    tap,
)
from sampler.kernels.compiled.targets import draw_targets, stamp_bumps
from sampler.kernels.interface import Kernels
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
    """Do what `_resize_rows` does where the size is the source's own."""
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
    """Write a window of the resized source into `out`, flat uint8, and add its rows to `sums`, (3·shape[1],).

    rows: (H, 3·W) uint8, the source. size: of the whole resized image. start, shape: the window's first row and
    column in it, and its height and width. place: in `out`, of the window's first byte, and from row to row. Each
    source row is blended once and held as long as output rows need it.
    """
    height, width, count = rows.shape[0], rows.shape[1] // 3, shape[1]
    if size[0] == height and size[1] == width:
        _copy_rows(rows, start, shape, flip, out, place, sums)
        return
    taps, weights = np.empty(count, np.int64), np.empty((count, 2), np.int16)
    column_taps(size[1], width, start[1], flip, taps, weights)
    held = np.full(2, -1, np.int64)
    blended, part = np.empty((2, 3 * count + 1), np.int16), np.zeros(3 * count, np.uint16)
    step, asked = 1.0 / (size[0] / height), 0
    for y in range(shape[0]):
        asked = fetch(rows, tap(start[0] + y + AHEAD, step)[0], asked, taps)
        above, fraction = tap(start[0] + y, step)
        above = min(above, height - 1)
        p = np.int16(np.rint((np.float32(1) - fraction) * WEIGHT_ONE))
        q = np.int16(np.rint(fraction * WEIGHT_ONE))
        upper, lower = max(above, 0), min(above + 1, height - 1)
        for source in (upper, lower):
            if held[source & 1] != source:
                blend_columns(rows[source], source == height - 1 or width == 1, taps, weights, blended[source & 1])
                held[source & 1] = source
        line = out[place[0] + y * place[1] : place[0] + y * place[1] + 3 * count]
        blend_rows(blended[upper & 1], blended[lower & 1], p, q, line, part)
        if y & 0xFF == 0xFF or y == shape[0] - 1:  # 257 rows of 255 are the most that 16 bits hold
            add(part, sums)


@njit(nogil=True)
def _blacken(out: NDArray[np.uint8], stride: int, top: int, bottom: int, left: int, right: int) -> None:
    """Set `out`, rows of `stride` bytes, to 0 but for rows [top, bottom) and bytes [left, right) of each of them."""
    out[: top * stride] = 0
    out[bottom * stride :] = 0
    for y in range(top, bottom):
        out[y * stride : y * stride + left] = 0
        out[y * stride + right : (y + 1) * stride] = 0


@njit(nogil=True)
def _totals(sums: NDArray[np.uint32]) -> tuple[np.int64, np.int64, np.int64]:
    """Return the sums of blue, green and red of (3·n,) sums of columns."""
    blue = green = red = np.int64(0)
    for k in range(0, sums.shape[0], 3):
        blue, green, red = blue + np.int64(sums[k]), green + np.int64(sums[k + 1]), red + np.int64(sums[k + 2])
    return blue, green, red


@njit(nogil=True)
def _channel_sums(pixels: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the sums of blue, green and red of (h, 3·w) uint8."""
    sums, part = np.zeros(pixels.shape[1], np.int64), np.zeros(pixels.shape[1], np.uint32)
    for y in range(pixels.shape[0]):
        add_row(pixels[y], part)
        if y & 0xFFFF == 0xFFFF:  # 65536 rows of 255 are far from the end of 32 bits
            sums += part
            part[:] = 0
    sums += part
    return sums[0::3].sum(), sums[1::3].sum(), sums[2::3].sum()


def _lines(image: Image) -> NDArray[np.uint8]:
    """Return (H, W, 3) pixels as a read-only (H, 3·W) view, of a copy where they are not contiguous."""
    height, width = image.shape[:2]
    lines = np.ascontiguousarray(image).reshape(height, width * 3)
    lines.flags.writeable = False  # of this view alone: one compiled version then serves both kinds of source
    return lines


def paste_resized(
    image: Image, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int], flip: bool, out: Image
) -> None:
    """Do what `sampler.ops.resize.paste_resized` does."""
    if out.size == 0:
        return
    height, width = out.shape[:2]
    flat = out.reshape(-1) if out.flags.c_contiguous else np.empty(out.size, np.uint8)
    start, place, sums = (rows[0], columns[0]), (0, 3 * width), np.zeros(3 * width, np.uint32)
    _resize_rows(_lines(image), size, start, (height, width), flip, flat, place, sums)
    if not out.flags.c_contiguous:
        out[...] = flat.reshape(out.shape)


def fill_canvas(
    image: Image,
    size: tuple[int, int],
    start: tuple[int, int],
    shape: tuple[int, int],
    offset: tuple[int, int],
    flip: bool,
    out: Image,
) -> tuple[int, int, int]:
    """Do what `sampler.ops.resize.fill_canvas` does."""
    flat, stride = out.reshape(-1), 3 * out.shape[1]
    left = 3 * (out.shape[1] - offset[1] - shape[1] if flip else offset[1])
    _blacken(flat, stride, offset[0], offset[0] + shape[0], left, left + 3 * shape[1])
    sums = np.zeros(3 * shape[1], np.uint32)
    if sums.size:
        _resize_rows(_lines(image), size, start, shape, flip, flat, (offset[0] * stride + left, stride), sums)
    blue, green, red = _totals(sums)
    return int(blue), int(green), int(red)


def channel_sums(pixels: Image) -> tuple[int, int, int]:
    """Do what `sampler.ops.colour.channel_sums` does."""
    blue, green, red = _channel_sums(_lines(pixels))
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


KERNELS = (_resize_rows, _blacken, _totals, _channel_sums, *RENDERING, *PLANNING, *WORDS)
"""Every kernel there is."""


def keep_all(fallback: Path | None = None) -> None:
    """Keep on disk what kernels are compiled to, and take from there what was compiled before; compile nothing yet."""
    for kernel in KERNELS:
        keep_compiled(kernel, fallback)
    if _resize_rows.stats.cache_path:
        forget_stale(Path(_resize_rows.stats.cache_path))


COMPILED = Kernels(
    paste_resized,
    apply_colour,
    channel_sums,
    fill_canvas,
    stamp_bumps,
    draw_targets,
    clip_boxes,
    frame_boxes,
    random_words,
)


def warm_up(fallback: Path | None = None) -> None:
    """Compile every kernel, or load what was compiled before, so that the first sample need not.

    Compiled code is kept beside this file or in the user's cache (or where NUMBA_CACHE_DIR says), for all processes
    to come. fallback: folder for it where none of these can be written, as in a read-only container.
    """
    keep_all(fallback)
    image, crop = np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    fill_canvas(image, (9, 9), (0, 0), (4, 4), (2, 2), True, crop)
    channel_sums(crop)
    warm_up_rendering()
    warm_up_planning()
    random_words(1, 1, 1, 1, 5)
