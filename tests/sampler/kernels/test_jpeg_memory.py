"""The loops for JPEG data touch no memory outside their arrays, whatever a file or a record holds."""

import random

import pytest

from sampler.dataset.images.entry_points.errors import EntryPointsError, NoEntryPoints
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import EntryPoints
from sampler.dataset.images.entry_points.window import window_jpeg
from sampler.image_part import Region
from tests.support.checked_loops import checked_loops
from tests.support.jpegs import CONTENTS, ENCODERS, damaged, draw

SCAN = b"\xff\xda"


def test_checked_loops_compute_what_compiled_ones_do() -> None:
    for name in ("OpenCV 4:2:0, optimised", "OpenCV 4:4:4, restarts", "Pillow grey"):
        data, region = ENCODERS[name](draw("mixed", 33, 40, 1), 75), Region((3, 20), (5, 30))
        points = find_entry_points(data)
        window = window_jpeg(data, points, region)
        with checked_loops():
            assert find_entry_points(data) == points
            assert window_jpeg(data, points, region) == window


def test_a_read_outside_an_array_is_noticed() -> None:
    data = ENCODERS["OpenCV 4:2:0"](draw("flat", 8, 8, 1), 75)
    points = find_entry_points(data)
    object.__setattr__(points, "file_size", 10)
    with checked_loops(), pytest.raises(AssertionError, match=r"byte \d+ of 10"):
        window_jpeg(data[:10], points, Region((0, 8), (0, 8)))


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_and_records_are_read_within_bounds(seed: int) -> None:
    rng = random.Random(seed)
    refused = 0
    with checked_loops():
        for _ in range(4):
            data = ENCODERS[rng.choice(sorted(ENCODERS))](draw(rng.choice(CONTENTS), 17, 20, seed), 60)
            refused += is_refused(damaged(data, rng, data.find(SCAN)))
            refused += is_refused(data, rng)
            refused += is_refused(data, rng, whole=damaged(data, rng, data.find(SCAN))[: len(data)].ljust(len(data)))
    assert 0 < refused < 12


def is_refused(data: bytes, rng: random.Random | None = None, whole: bytes | None = None) -> bool:
    """Whether no window comes of a file, one with a damaged record, or one that has changed since it was recorded."""
    region = Region((0, 9), (0, 9))
    try:
        points = find_entry_points(data)
        if rng is not None and whole is None:
            points = EntryPoints.decode(damaged(points.encode(), rng))
        window_jpeg(data if whole is None else whole, points, region)
    except (NoEntryPoints, EntryPointsError, ValueError):
        return True
    return False
