"""Damaged JPEGs: what libjpeg notices is noted, and harmless oddities do not hide it."""

import io
import re

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sampler.dataset.images.decode import DecodedImage, ReadOptions, decode_image
from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.jpeg import scan_end
from tests.support.coco_files import photo

SIZE = (240, 320)
KINDS = ("baseline", "progressive", "restarts", "grey", "CMYK")
OPTIONS: dict[str, dict[str, int]] = {"progressive": {"progressive": True}, "restarts": {"restart_marker_rows": 1}}
MODES = {"grey": "L", "CMYK": "CMYK"}


def jpeg(kind: str = "baseline", orientation: int | None = None) -> bytes:
    tags = Image.Exif()
    if orientation is not None:
        tags[0x0112] = orientation
    file = io.BytesIO()
    picture = Image.fromarray(photo(SIZE[1], SIZE[0])).convert(MODES.get(kind, "RGB"))
    picture.save(file, "JPEG", quality=92, exif=tags, **OPTIONS.get(kind, {}))
    return file.getvalue()


def scans(data: bytes) -> list[int]:
    """Where the data of each scan begins."""
    return [at.start() + 2 + int.from_bytes(data[at.end() : at.end() + 2]) for at in re.finditer(b"\xff\xda", data)]


def cut_and_closed(data: bytes, kept: float) -> bytes:
    start = scans(data)[0]
    return data[: start + int((len(data) - start) * kept)] + b"\xff\xd9"


def zeroed(data: bytes) -> bytes:
    start = scans(data)[0]
    middle = start + (len(data) - start) // 2
    return data[:middle] + bytes(len(data) - middle - 2) + data[-2:]


def with_junk(data: bytes) -> bytes:
    """Two bytes between segments, of which decoders warn and which do no harm."""
    at = data.index(b"\xff\xdb")
    return data[:at] + b"\x12\x34" + data[at:]


def with_odd_version(data: bytes) -> bytes:
    return data.replace(b"JFIF\0\1", b"JFIF\0\7")


def with_odd_scan_header(data: bytes) -> bytes:
    start = scans(data)[0]
    return data[: start - 3] + b"\1" + data[start - 2 :]


def padded(data: bytes, scan: int) -> bytes:
    """Bytes between the end of a scan and the next marker."""
    end = scan_end(data, scans(data)[scan])
    return data[:end] + b"\x12" * 40 + data[end:]


def kinds(image: DecodedImage) -> list[str]:
    return [note.kind for note in image.notes]


def opencv(data: bytes) -> npt.NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_intact_jpeg_has_no_notes(kind: str) -> None:
    assert kinds(decode_image(jpeg(kind), SIZE)) == []


@pytest.mark.parametrize("orientation", [None, 3])
@pytest.mark.parametrize("damage", [zeroed, lambda data: cut_and_closed(data, 0.5)])
@pytest.mark.parametrize("kind", KINDS)
def test_lost_data_is_noted_and_the_pixels_stay_those_of_opencv(kind: str, damage, orientation: int | None) -> None:  # type: ignore[no-untyped-def] # functions from bytes to bytes
    data = damage(jpeg(kind, orientation))
    decoded = decode_image(data, SIZE)
    assert "damaged" in kinds(decoded)
    assert "libjpeg: Corrupt JPEG data: " in decoded.notes[-1].text
    assert np.array_equal(decoded.pixels, opencv(data))


@pytest.mark.parametrize("oddity", [lambda data: data, with_junk, with_odd_version])
@pytest.mark.parametrize("orientation", [None, 3])
@pytest.mark.parametrize("kind", ["baseline", "restarts", "grey", "CMYK"])
def test_lost_data_is_noted_even_if_an_error_follows(  # type: ignore[no-untyped-def] # functions from bytes to bytes
    kind: str, orientation: int | None, oddity
) -> None:
    """An unknown marker in the middle of a scan: what follows is lost, and libjpeg fails after the last row."""
    whole = jpeg(kind, orientation)
    middle = (scans(whole)[0] + len(whole)) // 2
    data = oddity(whole[:middle] + b"\xff\x92" + whole[middle + 2 :])
    decoded = decode_image(data, SIZE)
    assert kinds(decoded)[-1] == "damaged"
    assert np.array_equal(decoded.pixels, opencv(data))
    assert not np.array_equal(decoded.pixels, opencv(whole))


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_jpeg_is_refused_if_so_asked(kind: str) -> None:
    with pytest.raises(DecodeError, match="Corrupt JPEG data") as caught:
        decode_image(cut_and_closed(jpeg(kind), 0.5), SIZE, ReadOptions(damaged="refuse"))
    assert caught.value.kind == "damaged"


@pytest.mark.parametrize("oddity", [with_junk, with_odd_version, with_odd_scan_header])
def test_a_harmless_oddity_is_a_warning_and_never_refused(oddity) -> None:  # type: ignore[no-untyped-def] # functions from bytes to bytes
    decoded = decode_image(oddity(jpeg()), SIZE, ReadOptions(damaged="refuse"))
    assert kinds(decoded) == ["warning"]
    assert np.array_equal(decoded.pixels, opencv(oddity(jpeg())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oddity", [with_junk, with_odd_version, with_odd_scan_header])
def test_a_harmless_oddity_does_not_hide_damage(oddity, kind: str) -> None:  # type: ignore[no-untyped-def] # functions from bytes to bytes
    if kind == "progressive" and oddity is with_odd_scan_header:
        pytest.skip("it has another meaning there")
    data = cut_and_closed(oddity(jpeg(kind)), 0.5)
    assert kinds(decode_image(data, SIZE))[-1] == "damaged"


@pytest.mark.parametrize("scan", [0, 1, 3])
def test_padding_after_a_scan_does_not_hide_damage_in_a_later_one(scan: int) -> None:
    assert kinds(decode_image(padded(jpeg("progressive"), scan), SIZE)) == ["warning"]
    data = padded(cut_and_closed(jpeg("progressive"), 0.7), scan)
    assert kinds(decode_image(with_junk(data), SIZE)) == ["warning", "damaged"]


def test_padding_after_several_scans_is_one_warning() -> None:
    decoded = decode_image(padded(padded(jpeg("progressive"), 3), 0), SIZE)
    assert kinds(decoded) == ["warning"]
    assert decoded.notes[0].text.count("extraneous bytes") == 2


def test_a_restart_marker_that_is_missing_is_damage_although_only_leftover_bytes_are_reported() -> None:
    data = jpeg("restarts")
    last = max(data.rindex(b"\xff" + bytes([marker])) for marker in range(0xD0, 0xD8))
    assert kinds(decode_image(data[:last] + b"\x12\x12" + data[last + 2 :], SIZE)) == ["warning", "damaged"]


def test_more_leftover_bytes_than_any_padding_are_damage() -> None:
    assert kinds(decode_image(padded(jpeg(), 0), SIZE)) == ["warning"]
    data = jpeg()
    assert kinds(decode_image(data[:-2] + b"\x12" * 5000 + data[-2:], SIZE)) == ["damaged"]


def warning_of(data: bytes) -> str:
    """What libjpeg says of a file, or ""."""
    try:
        simplejpeg.decode_jpeg(data)
    except ValueError as warning:
        return str(warning)
    return ""


def test_every_hole_that_libjpeg_warns_of_is_noted() -> None:
    whole, random = jpeg(), np.random.default_rng(0)
    start, noticed = scans(whole)[0], 0
    for _ in range(500):
        at = int(random.integers(start, len(whole) - 100))
        data = whole[:at] + bytes(int(random.integers(1, 100))) + whole[at + 100 :]
        warning, notes = warning_of(data), decode_image(data, SIZE).notes
        noticed += bool(warning)
        assert bool(notes) == bool(warning)
        assert not notes or warning in notes[0].text
    assert noticed > 100


def test_bytes_before_a_restart_marker_are_damage() -> None:
    data = jpeg("restarts")
    at = data.index(b"\xff\xd0")
    assert kinds(decode_image(data[:at] + bytes(20) + data[at:], SIZE)) == ["damaged"]
    assert kinds(decode_image(data[:at] + b"\xff\xd4" + data[at + 2 :], SIZE)) == ["damaged"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_junk_between_segments_never_changes_whether_damage_is_noted(
    kind: str, place: int, bit: int, turned: bool
) -> None:
    data = bytearray(jpeg(kind, orientation=3 if turned else None))
    start = scans(bytes(data))[0]
    data[start + place % (len(data) - start - 2)] ^= 1 << bit
    found = []
    for file in (bytes(data), with_junk(bytes(data))):
        try:
            found.append("damaged" in kinds(decode_image(file, SIZE)))
        except DecodeError:
            found.append(True)
    assert found[0] == found[1]
