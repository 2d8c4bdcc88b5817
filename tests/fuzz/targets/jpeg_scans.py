"""JPEG files with changed data: entry points are found, or there are none; parts have the pixels of the whole image.

Finding and copying are compiled loops without checks of memory, so an access outside of it would end the process.
"""

from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import simplejpeg

from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.entry_points.errors import EntryPointsError, NoEntryPoints
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import EntryPoints
from sampler.dataset.images.entry_points.window import window_jpeg
from sampler.dataset.images.header import DecodeError
from sampler.image_part import Region
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.support.jpegs import CONTENTS, ENCODERS, draw

_SCAN = b"\xff\xda"
_OPTIONS = ReadOptions(max_pixels=1 << 20)
_SIDES = (1, 8, 17, 33, 64, 129)


def build(folder: Path) -> Target:
    """Return the target."""
    files = [
        ENCODERS[name](
            draw(CONTENTS[number % len(CONTENTS)], _SIDES[number % 6], _SIDES[(number // 2) % 6], number), 75
        )
        for number, name in enumerate(ENCODERS)
    ]
    for data in files:
        run(data + b"\0")
    return Target(partial(_make, files), run, (NoEntryPoints, EntryPointsError, DecodeError))


def _make(files: list[bytes], rng: Random) -> bytes:
    data = rng.choice(files)
    start = data.find(_SCAN) if rng.random() < 0.7 else 0
    changed = data[:start] + mutate(data[start:], rng, files) if rng.random() < 0.9 else data
    return changed + bytes([rng.randrange(256)])


def run(data: bytes) -> None:
    """Find entry points and compare parts. The last byte of an input chooses parts and what happens to the record."""
    data, choice = data[:-1], data[-1] if data else 0
    points = find_entry_points(data)
    require(EntryPoints.decode(points.encode()) == points, "other entry points when they are read again")
    height, width = points.size
    rng = Random(choice)
    regions = [_region(height, width, rng) for _ in range(3)]
    windows = [(region, *window_jpeg(data, points, region)) for region in regions]
    _copy_wrong_windows(data, points, regions, rng)
    whole = decode_image(data, points.size, _OPTIONS)
    if whole.notes:
        return  # such a file is not recorded
    for region, window, covered in windows:
        try:
            part = np.asarray(simplejpeg.decode_jpeg(window, colorspace="BGR"))
        except ValueError:
            continue  # decoded whole instead
        require(part.shape[:2] == covered.shape, f"a part of shape {part.shape} for {covered}")
        rows, columns = region.rows, region.columns
        top, left = covered.rows[0], covered.columns[0]
        found = part[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]
        expected = whole.pixels[rows[0] : rows[1], columns[0] : columns[1]]
        require(np.array_equal(found, expected), f"other pixels in {region}")


def _copy_wrong_windows(data: bytes, points: EntryPoints, regions: list[Region], rng: Random) -> None:
    """Copy windows of a file that was changed after it was recorded, and with a damaged record."""
    changed = mutate(data, rng)[: len(data)].ljust(len(data), b"\xff")
    for region in regions:
        try:
            window_jpeg(changed, points, region)
            window_jpeg(data, EntryPoints.decode(mutate(points.encode(), rng)), region)
        except (EntryPointsError, ValueError):
            continue


def _region(height: int, width: int, rng: Random) -> Region:
    top, left = rng.randrange(height), rng.randrange(width)
    return Region((top, rng.randint(top + 1, height)), (left, rng.randint(left + 1, width)))
