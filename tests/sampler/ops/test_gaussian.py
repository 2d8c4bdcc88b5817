"""Bumps and their radii."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.ops.gaussian import bump, bump_radius, clear_bump, draw_bump


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Intersection over union of two boxes y0, x0, y1, x1."""
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(height, 0) * max(width, 0)
    areas = [max(box[2] - box[0], 0) * max(box[3] - box[1], 0) for box in (first, second)]
    return shared / (sum(areas) - shared)


@given(st.integers(1, 128), st.integers(1, 128), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]))
def test_the_radius_is_the_largest_by_which_corners_may_move(height: int, width: int, least: float) -> None:
    def least_overlap(r: int) -> float:
        box = (0.0, 0.0, float(height), float(width))
        moved = [(-r, -r, height + r, width + r), (r, r, height + r, width + r), (r, r, height - r, width - r)]
        return min(overlap(box, other) for other in moved)

    radius = bump_radius(height, width, least)
    assert least_overlap(radius) >= least - 1e-9
    assert least_overlap(radius + 1) < least + 1e-9


@pytest.mark.parametrize(("height", "width", "least", "radius"), [
    (0, 0, 0.5, 0), (1, 1, 0.5, 0), (10, 10, 0.5, 1), (64, 64, 0.5, 9), (64, 64, 0.3, 14), (3, 60, 0.5, 0),
])  # fmt: skip
def test_known_radii(height: int, width: int, least: float, radius: int) -> None:
    assert bump_radius(height, width, least) == radius


@given(st.integers(0, 4096), st.integers(0, 4096), st.floats(1e-6, 1 - 1e-6))
def test_a_radius_is_never_negative(height: int, width: int, least: float) -> None:
    assert 0 <= bump_radius(height, width, least) <= max(height, width)


@pytest.mark.parametrize("radius", [0, 1, 2, 7, 30])
def test_a_bump_is_a_gaussian_of_peak_1_and_a_sixth_of_its_diameter(radius: int) -> None:
    values = bump(radius)
    assert values.dtype == np.float32
    assert values[radius, radius] == 1
    sigma = (2 * radius + 1) / 6
    for y in range(2 * radius + 1):
        for x in range(2 * radius + 1):
            expected = math.exp(-((y - radius) ** 2 + (x - radius) ** 2) / (2 * sigma * sigma))
            assert values[y, x] == pytest.approx(expected, rel=1e-6)
    assert values.min() > np.finfo(np.float32).eps
    assert not values.flags.writeable
    assert (values == values.T).all()
    assert (values == values[::-1]).all()


@given(st.integers(0, 9), st.integers(0, 12), st.integers(0, 14))
def test_bumps_are_cut_at_the_edges_and_combined_by_maximum(y: int, x: int, radius: int) -> None:
    plane = np.full((10, 13), 0.25, np.float32)
    draw_bump(plane, y, x, radius)
    values = bump(radius)
    for row in range(10):
        for column in range(13):
            inside = abs(row - y) <= radius and abs(column - x) <= radius
            height = values[row - y + radius, column - x + radius] if inside else 0
            assert plane[row, column] == max(np.float32(0.25), height)
    clear_bump(plane, y, x, radius)
    zero = {(int(row), int(column)) for row, column in np.argwhere(plane == 0)}
    assert zero == {(r, c) for r in range(10) for c in range(13) if abs(r - y) <= radius and abs(c - x) <= radius}
