"""The loops that render, compiled by Numba: colours and bumps, into one sample or a whole batch of them."""

# mypy: disallow-untyped-decorators=False
# Numba's decorators carry no types.

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sampler.colour import ColourMatrix
from sampler.gaussian import bump_table
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


@njit(nogil=True)
def _stamp(
    planes: NDArray[np.float32],
    places: NDArray[np.int64],
    radii: NDArray[np.int64],
    table: NDArray[np.float32],
    starts: NDArray[np.int64],
    clear: bool,
) -> None:
    """Draw bumps, or clear their squares. starts: (n,), where in `table` each bump begins."""
    height, width = planes.shape[2], planes.shape[3]
    for n in range(radii.shape[0]):
        radius, y, x = radii[n], places[n, 2], places[n, 3]
        plane, side = planes[places[n, 0], places[n, 1]], 2 * radius + 1
        left, right = max(0, x - radius), min(width, x + radius + 1)
        for row in range(max(0, y - radius), min(height, y + radius + 1)):
            line = plane[row, left:right]
            if clear:
                line[:] = 0
                continue
            first = starts[n] + (row - y + radius) * side + left - x + radius
            values = table[first : first + right - left]
            for k in range(line.shape[0]):
                line[k] = max(line[k], values[k])


def stamp_bumps(planes: NDArray[np.float32], places: NDArray[np.int64], radii: NDArray[np.int64], clear: bool) -> None:
    """Do what `sampler.gaussian.stamp_bumps` does."""
    if ((places < 0) | (places >= planes.shape)).any():  # compiled code does not look where it writes
        raise IndexError(f"places: expected sample, category, y and x within {planes.shape}")
    table, starts = (np.empty(0, np.float32), radii) if clear else bump_table(radii)
    _stamp(planes, places, radii, table, starts, clear)


RENDERING = (_colour, _stamp)
"""The kernels of this file."""


def warm_up_rendering() -> None:
    """Compile or load the kernels of this file, for aligned arrays and for those inside a message."""
    crop, matrix = np.zeros((8, 8, 3), np.uint8), np.zeros((3, 4), np.float32)
    memory = np.zeros(4 * 3 * 64 + 4, np.uint8)
    for first in (0, 1):
        values = memory[first : first + 4 * 3 * 64].view(np.float32)
        apply_colour(crop, matrix, values.reshape(3, 8, 8))
        stamp_bumps(values.reshape(1, 3, 8, 8), np.zeros((1, 4), np.int64), np.ones(1, np.int64), False)
