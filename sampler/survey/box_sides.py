"""Sides and areas of boxes as statistics and filters measure them, so that a filter finds what statistics count."""

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Floats

LEAST_SIDE = 2.0**-10
"""Thinner boxes count as this many pixels thin."""


def box_sides(boxes: Floats) -> NDArray[np.float64]:
    """Return (M, 2) float64, width and height, above 0 even if they round to it. boxes: (M, 4), which may be NaN."""
    sides: NDArray[np.float64] = np.maximum(boxes[:, 2:].astype(np.float64) - boxes[:, :2], LEAST_SIDE)
    return sides


def box_areas(boxes: Floats) -> NDArray[np.float64]:
    """Return (M,) float64 areas in square pixels; see `box_sides`."""
    areas: NDArray[np.float64] = box_sides(boxes).prod(axis=1)
    return areas
