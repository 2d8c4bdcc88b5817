"""The loops that render, compiled by Numba: colours and bumps, into one sample or a whole batch of them."""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.arrays import allocate
from sampler.colour import ColourMatrix
from sampler.compiled_targets import DRAWING, draw_targets, stamp_bumps
from sampler.config import PRESETS
from sampler.resize import Image


@njit(nogil=True)
def _colour_row(
    lines: NDArray[np.float32], matrix: NDArray[np.float32], channel: int, out: NDArray[np.float32]
) -> None:
    blue, green, red, offset = matrix[channel, 0], matrix[channel, 1], matrix[channel, 2], matrix[channel, 3]
    first, second, third = lines[0], lines[1], lines[2]
    for x in range(out.shape[0]):
        out[x] = ((blue * first[x] + green * second[x]) + red * third[x]) + offset


@njit(nogil=True)
def _colour(pixels: NDArray[np.uint8], matrix: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Fill `out`, (3, h, w) float32, from (h, w, 3) uint8."""
    lines = np.empty((3, pixels.shape[1]), np.float32)
    first, second, third = lines[0], lines[1], lines[2]
    for y in range(pixels.shape[0]):
        row = pixels[y]
        for x in range(pixels.shape[1]):
            first[x] = np.float32(row[x, 0])
            second[x] = np.float32(row[x, 1])
            third[x] = np.float32(row[x, 2])
        for channel in range(3):
            _colour_row(lines, matrix, channel, out[channel, y])


def apply_colour(pixels: Image, matrix: ColourMatrix, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Do what `sampler.colour.apply_colour` does."""
    image = np.empty((3, *pixels.shape[:2]), np.float32) if out is None else out
    _colour(read_only(pixels), read_only(matrix), image)
    return image


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous, aligned, read-only view, of a copy where need be: one compiled version serves all."""
    view = np.require(array, requirements=("C", "A")).view()
    view.flags.writeable = False
    return view


RENDERING = (_colour, *DRAWING)
"""The kernels that render."""


def warm_up_rendering() -> None:
    """Compile or load the kernels that render."""
    crop, matrix = np.zeros((8, 8, 3), np.uint8), np.zeros((3, 4), np.float32)
    memory = np.zeros(4 * 3 * 64 + 4, np.uint8)
    for first in (0, 1):
        values = memory[first : first + 4 * 3 * 64].view(np.float32)
        apply_colour(crop, matrix, values.reshape(3, 8, 8))
    stamp_bumps(values.reshape(1, 3, 8, 8), np.zeros((1, 4), np.int64), np.ones(1, np.int64), False)
    saccade = PRESETS["cornernet_saccade"]
    box = np.array([[3, 3, 40, 40, 1]], np.float32)
    draw_targets(box, np.ones(1, np.bool_), np.array([0, 1]), saccade, allocate(saccade, 1, 1))
