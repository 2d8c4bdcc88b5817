"""The loops that render, compiled by Numba: colours and bumps, into one sample or a whole batch of them."""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.array_table import allocate
from sampler.config.schema import PRESETS
from sampler.kernels.compiled.addresses import FLOAT, address_of, store
from sampler.kernels.compiled.simd import LANES, colour_pixels
from sampler.kernels.compiled.targets import DRAWING, draw_targets, stamp_bumps
from sampler.ops.colour import ColourMatrix
from sampler.ops.colour import apply_colour as apply_colour_anywhere
from sampler.ops.resize import Image


@njit(nogil=True)
def _colour(pixels: NDArray[np.uint8], matrix: NDArray[np.float32], out: int) -> None:
    """Fill three float32 planes at an address from (n, 3) uint8."""
    flat, count = pixels.reshape(-1), pixels.shape[0]
    first, second, third = matrix[0], matrix[1], matrix[2]
    factors = (
        first[0], first[1], first[2], first[3], second[0], second[1], second[2], second[3],
        third[0], third[1], third[2], third[3],
    )  # fmt: skip
    whole = count // LANES * LANES
    for n in range(0, whole, LANES):
        colour_pixels(flat, factors, n, out, count)
    for n in range(whole, count):
        blue, green, red = np.float32(flat[3 * n]), np.float32(flat[3 * n + 1]), np.float32(flat[3 * n + 2])
        for channel in range(3):
            row = matrix[channel]
            store(out + FLOAT * (channel * count + n), ((row[0] * blue + row[1] * green) + row[2] * red) + row[3])


def apply_colour(pixels: Image, matrix: ColourMatrix, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Do what `sampler.ops.colour.apply_colour` does."""
    height, width = pixels.shape[:2]
    image = np.empty((3, height, width), np.float32) if out is None else out
    fit = image.shape == (3, height, width) and image.dtype == np.float32
    if not fit or not image.flags.c_contiguous or not image.flags.writeable:
        return apply_colour_anywhere(pixels, matrix, out)
    lines = np.ascontiguousarray(pixels, np.uint8).reshape(-1, 3)
    lines.flags.writeable = False  # of this view alone: one compiled version then serves both kinds of source
    _colour(lines, np.array(matrix, np.float32, order="C"), address_of(image))
    return image


RENDERING = (_colour, *DRAWING)
"""The kernels that render."""


def warm_up_rendering() -> None:
    """Compile or load the kernels that render."""
    crop, matrix = np.zeros((8, 8, 3), np.uint8), np.zeros((3, 4), np.float32)
    apply_colour(crop, matrix)
    stamp_bumps(np.zeros((1, 3, 8, 8), np.float32), np.zeros((1, 4), np.int64), np.ones(1, np.int64), False)
    saccade = PRESETS["cornernet_saccade"]
    box = np.array([[3, 3, 40, 40, 1]], np.float32)
    draw_targets(box, np.ones(1, np.bool_), np.array([0, 1]), saccade, allocate(saccade, 1, 1))
