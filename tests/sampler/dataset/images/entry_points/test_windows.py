"""A window decoded from entry points has exactly the pixels of the whole image, for every kind of file and window."""

from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from sampler.dataset.images.entry_points.errors import EntryPointsError
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.headers import read_headers
from sampler.dataset.images.entry_points.points import LEAST_SIDE, MARGIN, RECORD_BYTES, EntryPoints
from sampler.dataset.images.entry_points.window import is_worthwhile, window_jpeg
from sampler.image_part import Region
from tests.support.jpegs import CONTENTS, ENCODERS, INTERVAL_ENCODERS, Encoder, Pixels, draw

QUALITIES = (1, 20, 75, 95, 100)
SIZES = ((1, 1), (1, 40), (37, 1), (8, 8), (16, 16), (17, 33), (64, 65), (61, 131), (96, 97), (33, 200))
ONE_OF_EACH = ("OpenCV 4:1:1", "OpenCV 4:2:0", "OpenCV 4:2:2", "OpenCV 4:4:0", "OpenCV 4:4:4", "Pillow grey")


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


def recorded(data: bytes) -> EntryPoints:
    """The entry points of a file as they come out of a record."""
    record = find_entry_points(data).encode()
    assert len(record) <= RECORD_BYTES
    return EntryPoints.decode(record)


def check_windows(encode: Encoder, height: int, width: int, number: int, count: int) -> None:
    content, quality = CONTENTS[number % len(CONTENTS)], QUALITIES[number // 2 % len(QUALITIES)]
    data = encode(draw(content, height, width, number), quality)
    pixels, points = decoded(data), recorded(data)
    assert points == find_entry_points(data)
    rng = np.random.default_rng([height, width, number])
    check(data, points, pixels, Region.whole(height, width))
    for _ in range(count):
        check(data, points, pixels, random_region(rng, height, width))


@pytest.mark.parametrize("name", ENCODERS)
def test_windows_have_the_pixels_of_the_whole_image(name: str) -> None:
    for number, (height, width) in enumerate(SIZES):
        check_windows(ENCODERS[name], height, width, number, 250)


@pytest.mark.parametrize("name", INTERVAL_ENCODERS)
def test_restart_intervals_inside_rows_are_kept(name: str) -> None:
    encode, interval, side = INTERVAL_ENCODERS[name]
    for number, (height, across) in enumerate(((1, 1), (40, 3), (70, 7))):
        check_windows(encode, height, across * interval * side - number, number, 100)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_windows_are_exact_wherever_their_edges_are(name: str) -> None:
    height, width = 75, 139
    data = ENCODERS[name](draw("mixed", height, width, 1), 90)
    pixels, points = decoded(data), recorded(data)
    for first in range(0, 70):
        for last in (first + 1, first + 2, first + 5, 71 + first % 4):
            check(data, points, pixels, Region((first, last), (40, 90)))
            check(data, points, pixels, Region((20, 50), (first, last + 64 * (first % 2))))


@given(
    name=st.sampled_from(sorted(ENCODERS)), content=st.sampled_from(CONTENTS), quality=st.integers(1, 100),
    height=st.integers(1, 120), width=st.integers(1, 160), number=st.integers(0, 2**32),
)  # fmt: skip
def test_any_window_of_any_image_is_exact(
    name: str, content: str, quality: int, height: int, width: int, number: int
) -> None:
    data = ENCODERS[name](draw(content, height, width, number % 7), quality)
    pixels, points, rng = decoded(data), recorded(data), np.random.default_rng(number)
    for _ in range(10):
        check(data, points, pixels, random_region(rng, height, width))


def test_colour_next_to_a_narrow_last_segment_is_exact() -> None:
    # libjpeg does not interpolate the colour of an image of two colour columns, as the last segment has here.
    data = ENCODERS["OpenCV 4:2:0"](draw("noise", 40, 16 * 4 + 4, 1), 95)
    points = recorded(data)
    region = Region((10, 20), (16 * 4 + MARGIN, 16 * 4 + 4))
    assert points.covering(region).shape[1] >= LEAST_SIDE
    check(data, points, decoded(data), region)


@pytest.mark.parametrize("name", ["OpenCV 4:4:4, optimised", "Pillow 2, optimised", "Pillow grey, optimised"])
def test_dc_values_without_a_code_get_one(name: str) -> None:
    # All blocks in a row are alike, but not those of one row and the next: large differences occur once.
    pixels = np.repeat(np.linspace(0, 255, 20).astype(np.uint8), 8)[:, None, None] * np.ones((1, 200, 3), np.uint8)
    data = ENCODERS[name](pixels.transpose(1, 0, 2).copy(), 95)
    window, _ = window_jpeg(data, recorded(data), Region((100, 150), (100, 110)))
    assert huffman_tables(window) != huffman_tables(data)
    check(data, recorded(data), decoded(data), Region((100, 150), (100, 110)))


def huffman_tables(data: bytes) -> set[bytes]:
    return set(read_headers(data).huffman.values())


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with another segment before all others."""
    return data[:2] + bytes([0xFF, marker]) + (2 + len(content)).to_bytes(2) + content + data[2:]


@pytest.mark.parametrize("length", range(5, 20))
@pytest.mark.parametrize(("marker", "content"), [
    (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), (0xEE, b"Adobe\0\x64\0\0\0\0\1"), (0xEE, b"Adobe\0\x64\0\0\0\0\0"),
])  # fmt: skip
@pytest.mark.parametrize("ids", [b"RGB", b"\1\2\3"])
def test_colours_are_those_of_the_whole_image_whatever_segments_name_them(
    marker: int, content: bytes, length: int, ids: bytes
) -> None:
    # These segments are ignored if they are short; then the ids of the components say which colours they are.
    data = bytearray(ENCODERS["Pillow RGB"](draw("noise", 40, 50, 1), 90))
    data = data[:2] + data[2:].replace(b"\xff\xee\0\x0eAdobe", b"\xff\xee\0\x0eadobe")
    frame, scan = data.find(b"\xff\xc0"), data.find(b"\xff\xda")
    data[frame + 10 : frame + 19 : 3] = data[scan + 5 : scan + 11 : 2] = ids
    changed = with_segment(bytes(data), marker, content.ljust(length, b"\0")[:length])
    check(changed, recorded(changed), decoded(changed), Region((10, 20), (20, 30)))


def test_large_images_have_longer_segments() -> None:
    data = ENCODERS["OpenCV 4:2:0"](draw("smooth", 1500, 2000, 1), 90)
    pixels, points = decoded(data), recorded(data)
    assert points.step > 1
    rng = np.random.default_rng(1)
    for _ in range(20):
        check(data, points, pixels, random_region(rng, 1500, 2000))


def test_windows_outside_the_image_are_refused() -> None:
    data = ENCODERS["OpenCV 4:2:0"](draw("noise", 40, 50, 1), 90)
    points = recorded(data)
    for region in (Region((0, 0), (0, 5)), Region((-1, 5), (0, 5)), Region((0, 5), (40, 51)), Region((9, 3), (0, 5))):
        with pytest.raises(ValueError, match="expected a part of an image of 50×40 pixels"):
            window_jpeg(data, points, region)


def test_regions_may_have_integers_of_numpy() -> None:
    data = ENCODERS["OpenCV 4:2:0"](draw("noise", 40, 50, 1), 90)
    numbers: list[Any] = [np.int64(5), np.intp(9), np.int32(20), np.uint8(30)]
    plain = Region((5, 9), (20, 30))
    assert window_jpeg(data, recorded(data), Region((numbers[0], numbers[1]), (numbers[2], numbers[3]))) == window_jpeg(
        data, recorded(data), plain
    )


def test_entry_points_of_another_file_are_refused() -> None:
    one, other = (ENCODERS["OpenCV 4:2:0"](draw(content, 40, 50, 1), 90) for content in ("noise", "flat"))
    with pytest.raises(EntryPointsError, match=f"of a file of {len(one)} bytes for one of {len(other)}"):
        window_jpeg(other, recorded(one), Region((0, 5), (0, 5)))


def test_windows_of_most_of_an_image_are_not_worthwhile() -> None:
    points = recorded(ENCODERS["OpenCV 4:2:0"](draw("smooth", 480, 640, 1), 90))
    assert is_worthwhile(points, Region((100, 300), (100, 300)))
    assert not is_worthwhile(points, Region((0, 480), (10, 630)))
    small = recorded(ENCODERS["OpenCV 4:2:0"](draw("smooth", 48, 64, 1), 90))
    assert not is_worthwhile(small, Region((0, 1), (0, 1)))
