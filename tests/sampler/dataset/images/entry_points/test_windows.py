"""A window decoded from entry points has exactly the pixels of the whole image, for every kind of file and window."""

import numpy as np
import pytest
import simplejpeg

from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import RECORD_BYTES, EntryPoints
from sampler.dataset.images.entry_points.window import window_jpeg
from sampler.image_part import Region
from tests.support.jpegs import CONTENTS, ENCODERS, WITH_INTERVALS, Encoder, Pixels, draw

QUALITIES = (1, 20, 75, 95, 100)
SIZES = ((1, 1), (1, 40), (37, 1), (8, 8), (16, 16), (17, 33), (64, 65), (61, 131), (96, 97), (33, 200))


def decoded(data: bytes) -> Pixels:
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"))


def check(data: bytes, points: EntryPoints, pixels: Pixels, region: Region) -> None:
    window, shown = window_jpeg(data, points, region)
    assert shown.covers(region)
    part = decoded(window)
    assert part.shape[:2] == shown.shape
    rows, columns = (
        slice(start - origin[0], stop - origin[0])
        for (start, stop), origin in ((region.rows, shown.rows), (region.columns, shown.columns))
    )
    expected = pixels[slice(*region.rows), slice(*region.columns)]
    assert np.array_equal(part[rows, columns], expected), f"{region} of {points.size}, step {points.step}"


def random_region(rng: np.random.Generator, height: int, width: int) -> Region:
    (top, bottom), (left, right) = (sorted(int(n) for n in rng.integers(0, side, 2)) for side in (height, width))
    return Region((top, bottom + 1), (left, right + 1))


def check_windows(encode: Encoder, height: int, width: int, number: int, count: int) -> None:
    content, quality = CONTENTS[number % len(CONTENTS)], QUALITIES[number // 2 % len(QUALITIES)]
    data = encode(draw(content, height, width, number), quality)
    pixels, found = decoded(data), find_entry_points(data)
    record = found.encode()
    assert len(record) <= RECORD_BYTES
    points = EntryPoints.decode(record)
    assert points == found
    rng = np.random.default_rng([height, width, number])
    check(data, points, pixels, Region.whole(height, width))
    for _ in range(count):
        check(data, points, pixels, random_region(rng, height, width))


@pytest.mark.parametrize("name", ENCODERS)
def test_windows_have_the_pixels_of_the_whole_image(name: str) -> None:
    for number, (height, width) in enumerate(SIZES):
        check_windows(ENCODERS[name], height, width, number, 40)


@pytest.mark.parametrize("interval", WITH_INTERVALS)
def test_restart_intervals_inside_rows_are_kept(interval: int) -> None:
    for name, encode in WITH_INTERVALS[interval].items():
        side = 16 if "4:2:0" in name else 8
        for number, (height, across) in enumerate(((1, 1), (40, 3), (70, 7))):
            check_windows(encode, height, across * interval * side - number, number, 60)
