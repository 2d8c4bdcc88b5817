"""Colours, compiled: the matrix product of all pixels in one pass."""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Floats
from sampler.kernels.compiled.intrinsics import FLOAT, LANES, address_of, colour_pixels, store
from sampler.kernels.compiled.jit import njit
from sampler.ops import colour as reference
from sampler.ops.colour import ColourMatrix
from sampler.ops.resize import Image


@njit(nogil=True)
def _colour(flat: NDArray[np.uint8], matrix: Floats, out: int) -> None:
    """Fill three float32 planes at an address from (3·n,) uint8."""
    count = flat.shape[0] // 3
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


def apply_colour(pixels: Image, matrix: ColourMatrix, out: Floats | None = None) -> Floats:
    """Return the normalised image; see `Kernels.apply_colour`."""
    height, width = pixels.shape[:2]
    image = np.empty((3, height, width), np.float32) if out is None else out
    fits = image.shape == (3, height, width) and image.dtype == np.float32
    if not fits or not image.flags.c_contiguous or not image.flags.writeable:
        return reference.apply_colour(pixels, matrix, out)
    flat = np.ascontiguousarray(pixels, np.uint8).reshape(-1)
    flat.flags.writeable = False  # of this view only: one compiled version then serves writable and read-only sources
    _colour(flat, np.array(matrix, np.float32, order="C"), address_of(image))
    return image


KERNELS = (_colour,)
