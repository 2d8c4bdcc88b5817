"""EXIF orientation: pixels are those of `cv2.imread` wherever the annotated size allows it."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sampler.dataset.images.decode import DecodedImage, decode_image
from sampler.dataset.images.header import DecodeError, read_header
from sampler.dataset.images.orientation import shown_region, shown_size, stored_region, turned
from sampler.image_part import Region
from tests.support.coco_files import opencv_pixels, photo

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
WIDE, SQUARE = (48, 64), (48, 48)
TURNED = (5, 6, 7, 8)


def encoded(kind: str, size: tuple[int, int], orientation: int | None = None, exif: bytes | None = None) -> bytes:
    """An image file whose stored pixels have that size, with an orientation or with any Exif bytes."""
    tags = Image.Exif()
    if orientation is not None:
        tags[0x0112] = orientation
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(photo(size[1], size[0])[..., ::-1]).save(file, kind, exif=exif or tags, **options)
    return file.getvalue()


def opencv(data: bytes, flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def notes(image: DecodedImage) -> list[str]:
    return [note.kind for note in image.notes]


@pytest.mark.parametrize("size", [WIDE, SQUARE])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_are_those_of_imread_if_they_have_the_annotated_size(
    kind: str, orientation: int, size: tuple[int, int]
) -> None:
    data = encoded(kind, size, orientation)
    expected = opencv(data)
    decoded = decode_image(data, (expected.shape[0], expected.shape[1]))
    assert np.array_equal(decoded.pixels, expected)
    assert decoded.pixels.flags.c_contiguous
    assert notes(decoded) == []


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_as_stored_are_used_if_only_they_have_the_annotated_size_and_that_is_noted(
    kind: str, orientation: int
) -> None:
    decoded = decode_image(encoded(kind, WIDE, orientation), WIDE)
    assert np.array_equal(decoded.pixels, opencv(encoded(kind, WIDE)))
    assert notes(decoded) == ["orientation"]
    assert "64×48" in decoded.notes[0].text


@pytest.mark.parametrize("orientation", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_turned_without_an_orientation_that_says_so(kind: str, orientation: int | None) -> None:
    with pytest.raises(DecodeError, match="48×64") as caught:
        decode_image(encoded(kind, WIDE, orientation), WIDE[::-1])
    assert caught.value.kind == "mis-sized"


def test_without_an_annotated_size_the_orientation_is_applied() -> None:
    data = encoded("JPEG", WIDE, 6)
    assert np.array_equal(decode_image(data, None).pixels, opencv(data))


def with_application_data(data: bytes, *bodies: bytes) -> bytes:
    inserted = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in bodies)
    return data[:2] + inserted + data[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_an_ordinary_jpeg_is_known_from_its_header(orientation: int) -> None:
    assert read_header(encoded("JPEG", WIDE, orientation)).orientation == orientation


def test_metadata_that_is_no_exif_does_not_count() -> None:
    plain = encoded("JPEG", WIDE)
    assert read_header(plain).orientation == 1
    assert read_header(with_application_data(plain, b"XMP\0://ns.adobe.com/xap/1.0/\0<x/>")).orientation == 1


def test_unusual_exif_data_is_left_to_opencv() -> None:
    plain, upright, turned = (
        encoded("JPEG", WIDE),
        directory("<", [(0x0112, 3, 1, 1)]),
        directory("<", [(0x0112, 3, 1, 6)]),
    )
    unusual = (
        [turned, turned],
        [upright, turned],
        [directory("<", [(0x0112, 3, 1, 6), (0x0112, 3, 1, 3)])],
        [directory("<", [(0x0112, 3, 1, 9)])],
        [directory("<", [(0x0112, 4, 1, 6)])],
        [directory("<", [(0x0110, 2, 60_000, 8), (0x0112, 3, 1, 6)])],
        [directory("<", [(0x011A, 2, 1, 60_000), (0x0112, 3, 1, 6)])],
        [b"exif" + turned[4:]],
        [turned[:20]],
    )
    for bodies in unusual:
        data = with_application_data(plain, *bodies)
        assert read_header(data).orientation is None
        expected = opencv(data)
        assert np.array_equal(decode_image(data, (expected.shape[0], expected.shape[1])).pixels, expected)


def directory(order: str, fields: list[tuple[int, int, int, int]], offset: int = 8, magic: int = 42) -> bytes:
    """Exif data of one directory with fields of tag, type, count and value."""
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", magic, offset)
    rows = b"".join(struct.pack(order + "HHI", *field[:3]) + struct.pack(order + "HH", field[3], 0) for field in fields)
    return b"Exif\0\0" + start + struct.pack(order + "H", len(fields)) + rows + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("mark", [b"M<", b"<M", b"IM", b"MI", b"\0\0", b"II", b"MM"])
def test_a_wrong_byte_order_mark_does_not_change_what_imread_gives(mark: bytes, order: str) -> None:
    exif = directory(order, [(0x0112, 3, 1, 3)])
    data = with_application_data(encoded("JPEG", WIDE), exif[:6] + mark + exif[8:])
    assert np.array_equal(decode_image(data, WIDE).pixels, opencv(data))


FIELD = st.tuples(st.sampled_from([0x0112, 0x0110, 0x8769]), st.integers(1, 13), st.integers(0, 3), st.integers(0, 10))
EXIF = st.builds(
    directory,
    st.sampled_from("<>"),
    st.lists(FIELD, max_size=4),
    st.sampled_from([8, 8, 8, 0, 7, 9, 10_000, 2**32 - 1]),
    st.sampled_from([42, 42, 42, 43, 0]),
)
APPLICATION_DATA = st.one_of(
    EXIF,
    EXIF.flatmap(lambda exif: st.integers(0, len(exif)).map(lambda length: exif[:length])),
    st.binary(max_size=60),
    st.binary(max_size=30).map(lambda tail: b"http://ns.adobe.com/xap/1.0/\0" + tail),
    EXIF.map(lambda exif: b"XMP\0:/" + exif[6:]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(APPLICATION_DATA, min_size=1, max_size=2), st.sampled_from([WIDE, SQUARE]))
def test_whatever_the_application_data_the_pixels_are_those_of_imread(
    segments: list[bytes], size: tuple[int, int]
) -> None:
    plain = encoded("JPEG", size)
    data = with_application_data(plain, *segments)
    expected = opencv(data)
    decoded = decode_image(data, (expected.shape[0], expected.shape[1]))
    assert np.array_equal(decoded.pixels, expected)
    if expected.shape[:2] != size:
        assert np.array_equal(decode_image(data, size).pixels, opencv(plain))


def test_a_file_with_an_orientation_is_read_like_imread_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("JPEG", SQUARE, 6))
    expected = opencv_pixels(tmp_path / "a.jpg")
    assert np.array_equal(decode_image((tmp_path / "a.jpg").read_bytes(), SQUARE).pixels, expected)


@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 12), st.data())
def test_the_stored_pixels_of_a_region_turned_are_its_pixels(
    orientation: int, height: int, width: int, data: st.DataObject
) -> None:
    stored = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    shown = turned(stored, orientation)
    size = shown_size((height, width), orientation)
    assert shown.shape[:2] == size
    top, bottom = sorted(data.draw(st.lists(st.integers(0, size[0]), min_size=2, max_size=2, unique=True)))
    left, right = sorted(data.draw(st.lists(st.integers(0, size[1]), min_size=2, max_size=2, unique=True)))
    region = Region((top, bottom), (left, right))
    place = stored_region(region, size, orientation)
    part = np.ascontiguousarray(stored[slice(*place.rows), slice(*place.columns)])
    assert np.array_equal(turned(part, orientation), shown[top:bottom, left:right])
    assert shown_region(place, size, orientation) == region
