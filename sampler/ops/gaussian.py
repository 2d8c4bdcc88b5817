"""The bumps that mark points in a heatmap."""

import math
from functools import cache, lru_cache

import numpy as np

from sampler.arrays import Floats, Integers
from sampler.config_schema import SamplerConfig
from sampler.rng import exact_math


@lru_cache(maxsize=1 << 16)
def bump_radius(height: int, width: int, min_iou: float) -> int:
    """Return how far, in cells, a corner may move while its box still overlaps the true one by `min_iou`.

    The least of the three cases of Law and Deng (CornerNet, 2018): one corner moved in and one out, both in, both out.
    The operations keep the order of their published code because the result is rounded down. height, width: of the box,
    in cells.
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
def bump(radius: int) -> Floats:
    """Return the (2r+1, 2r+1) float32 bump of peak 1 and sigma (2r+1)/6, read-only.

    The published code sets values below the machine epsilon to 0. With this sigma there are none: the least value is
    above e⁻⁹.
    """
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    squares = offsets[:, None] ** 2 + offsets[None, :] ** 2
    sigma = (2 * radius + 1) / 6
    values = exact_math.exp(-squares / (2 * sigma * sigma)).astype(np.float32)
    values.flags.writeable = False
    return values


def draw_bump(plane: Floats, y: int, x: int, radius: int) -> None:
    """Set `plane` (h, w) float32 to the maximum of itself and the bump of `radius` at cell (y, x)."""
    rows, columns = _span(y, radius, plane.shape[0]), _span(x, radius, plane.shape[1])
    region = plane[rows, columns]
    cut = bump(radius)[
        rows.start - y + radius : rows.stop - y + radius,
        columns.start - x + radius : columns.stop - x + radius,
    ]
    np.maximum(region, cut, out=region)


def clear_bump(plane: Floats, y: int, x: int, radius: int) -> None:
    """Set `plane` to 0 on the whole square of the bump of `radius` at cell (y, x)."""
    plane[_span(y, radius, plane.shape[0]), _span(x, radius, plane.shape[1])] = 0


def bump_table(radii: Integers) -> tuple[Floats, Integers]:
    """Return the distinct bumps of `radii` (n,), flat and concatenated, and (n,) the position where each starts."""
    wanted = radii.tolist()
    starts, end = dict[int, int](), 0
    for radius in set(wanted):
        starts[radius] = end
        end += (2 * radius + 1) ** 2
    return np.concatenate([bump(radius).ravel() for radius in starts]), np.array([starts[radius] for radius in wanted])


def largest_radius(config: SamplerConfig) -> int:
    """Return an upper bound on the radius of a bump in cells.

    A computed radius is the least of three cases. The first case alone, (h − r)(w − r) = 2·iou/(1 + iou)·h·w, grows
    with h and w, so its value for the whole grid is a bound; one more is for rounding.
    """
    if not config.gaussian_bump:
        return 0
    if config.gaussian_radius != -1:
        return config.gaussian_radius
    height, width = config.output_size
    total, area = height + width + 2, (height + 1) * (width + 1)
    share = (1 - config.gaussian_iou) / (1 + config.gaussian_iou)
    return int((total - math.sqrt(total**2 - 4 * area * share)) / 2) + 1


def largest_bump(config: SamplerConfig) -> int:
    """Return an upper bound on the cells of one bump."""
    (height, width), radius = config.output_size, largest_radius(config)
    return min(2 * radius + 1, height) * min(2 * radius + 1, width)


def _span(center: int, radius: int, size: int) -> slice:
    return slice(max(0, center - radius), min(size, center + radius + 1))
