"""The bumps that mark corners in a heatmap."""

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from sampler.rng import exact_math as exactmath


@lru_cache(maxsize=1 << 16)
def bump_radius(height: int, width: int, min_iou: float) -> int:
    """Return how far, in cells, a corner may move so that its box still overlaps the true one by `min_iou`.

    height, width: the box in cells, whole numbers ≥ 0. The least of the three cases of Law and Deng (CornerNet,
    2018): one corner moved in and one out, both in, both out. Their published code divides by 2a in the second and
    third case where the formula has it; the operations here keep its order, since a floor follows.
    """
    total, area = height + width, width * height
    c1 = area * (1 - min_iou) / (1 + min_iou)
    r1 = (total - math.sqrt(total**2 - 4 * c1)) / 2
    b2 = 2 * total
    c2 = (1 - min_iou) * width * height
    r2 = (b2 - math.sqrt(b2**2 - 16 * c2)) / 8
    a3 = 4 * min_iou
    b3 = -2 * min_iou * total
    c3 = (min_iou - 1) * width * height
    r3 = (b3 + math.sqrt(b3 * b3 - 4 * a3 * c3)) / (2 * a3)  # a power of floats would be the C library's
    return max(0, int(min(r1, r2, r3)))


@cache
def bump(radius: int) -> NDArray[np.float32]:
    """Return the (2r+1, 2r+1) float32 bump of peak 1 and sigma (2r+1)/6, read-only.

    The published code sets values below machine epsilon of the peak to 0; with this sigma the least value is
    above e⁻⁹, so there are none.
    """
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    squares = offsets[:, None] ** 2 + offsets[None, :] ** 2
    sigma = (2 * radius + 1) / 6
    values = exactmath.exp(-squares / (2 * sigma * sigma)).astype(np.float32)
    values.flags.writeable = False
    return values


def draw_bump(plane: NDArray[np.float32], y: int, x: int, radius: int) -> None:
    """Raise `plane` (h, w) float32 to at least the bump of `radius` at cell (y, x), cut at the edges."""
    rows, columns = _span(y, radius, plane.shape[0]), _span(x, radius, plane.shape[1])
    region = plane[rows, columns]
    cut = bump(radius)[
        rows.start - y + radius : rows.stop - y + radius,
        columns.start - x + radius : columns.stop - x + radius,
    ]
    np.maximum(region, cut, out=region)


def clear_bump(plane: NDArray[np.float32], y: int, x: int, radius: int) -> None:
    """Set `plane` to 0 wherever the bump of `radius` at cell (y, x) would not be 0, which is its whole square."""
    plane[_span(y, radius, plane.shape[0]), _span(x, radius, plane.shape[1])] = 0


def stamp_bumps(planes: NDArray[np.float32], places: NDArray[np.int64], radii: NDArray[np.int64], clear: bool) -> None:
    """Draw bumps into `planes` (B, C, h, w) float32, or with `clear` set their squares to 0.

    places: (n, 4) int64: sample, category from 0, y, x of each. radii: (n,) int64 in cells.
    """
    stamp = clear_bump if clear else draw_bump
    for (sample, category, y, x), radius in zip(places.tolist(), radii.tolist(), strict=True):
        stamp(planes[sample, category], y, x, radius)


def bump_table(radii: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the bumps of `radii` (n,) one behind the other, each once, and (n,) where each one's starts."""
    wanted = radii.tolist()
    starts, end = dict[int, int](), 0
    for radius in set(wanted):
        starts[radius] = end
        end += (2 * radius + 1) ** 2
    return np.concatenate([bump(radius).ravel() for radius in starts]), np.array([starts[radius] for radius in wanted])


def _span(center: int, radius: int, size: int) -> slice:
    return slice(max(0, center - radius), min(size, center + radius + 1))
