"""No decoder runs before the size of an image is known: every format is understood or refused."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sampler.dataset.images.avif import frame_sizes
from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.header import DecodeError, read_header
from sampler.dataset.images.tiff import read_directory
from tests.support.coco_files import photo
from tests.support.processes import output_of

SIZE = (48, 64)
PIXELS = photo(64, 48)


def opencv(suffix: str, pixels: npt.NDArray[Any] = PIXELS) -> bytes:
    done, data = cv2.imencode(f".{suffix}", pixels)
    assert done
    return data.tobytes()


def pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[..., ::-1]).convert(mode).save(file, kind, **options)
    return file.getvalue()


def bigtiff() -> bytes:
    """A BigTIFF of 8×8 grey pixels: 8-byte offsets and 20-byte fields."""
    fields = [(256, 3, 8), (257, 3, 8), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 16, 16), (277, 3, 1), (278, 3, 8),
              (279, 16, 64)]  # fmt: skip
    rows = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in fields)
    start = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 80)
    return start + bytes(range(64)) + struct.pack("<Q", len(fields)) + rows + bytes(8)


FILES = {
    "JPEG": opencv("jpg"),
    "PNG": opencv("png"),
    "APNG": pillow("PNG", save_all=True, append_images=[Image.fromarray(PIXELS)]),
    "BMP": opencv("bmp"),
    "BMP with a palette": pillow("BMP", "P"),
    "GIF": pillow("GIF", "P"),
    "TIFF": opencv("tiff"),
    "TIFF of floats": opencv("tiff", PIXELS.astype(np.float32)),
    "WebP": pillow("WEBP"),
    "WebP without loss": pillow("WEBP", lossless=True),
    "WebP animation": pillow("WEBP", save_all=True, append_images=[Image.fromarray(PIXELS)]),
    "JPEG 2000": opencv("jp2"),
    "JPEG 2000 codestream": pillow("JPEG2000", no_jp2=True),
    "AVIF": pillow("AVIF"),
    "Sun raster": opencv("ras"),
    "PBM": opencv("pbm", PIXELS[..., 0]),
    "PGM": opencv("pgm", PIXELS[..., 0]),
    "PPM": opencv("ppm"),
    "PAM": opencv("pam"),
    "Radiance HDR": opencv("hdr", PIXELS.astype(np.float32) / 255),
    "PFM": opencv("pfm", PIXELS.astype(np.float32) / 255),
}


@pytest.mark.parametrize("name", FILES)
def test_the_size_of_every_format_is_known_from_its_header(name: str) -> None:
    assert read_header(FILES[name]).size == SIZE


def test_the_size_of_a_bigtiff_is_known() -> None:
    assert read_header(bigtiff()).size == (8, 8)
    assert decode_image(bigtiff(), (8, 8)).pixels.shape == (8, 8, 3)


@given(st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]), st.binary(max_size=80))
def test_any_directory_is_read_or_refused(start: bytes, rest: bytes) -> None:
    with suppress(ValueError):
        read_directory(start + rest)


@pytest.mark.parametrize("offset", [2**62, 2**63, 2**64 - 1])
def test_a_bigtiff_whose_directory_is_nowhere_is_refused(offset: int) -> None:
    with pytest.raises(DecodeError, match="TIFF without a valid header"):
        read_header(struct.pack("<2sHHHQ", b"II", 43, 8, 0, offset) + bytes(100))


def patched(name: str, *changes: tuple[int, bytes]) -> bytes:
    data = bytearray(FILES[name])
    for at, value in changes:
        data[at : at + len(value)] = value
    return bytes(data)


def with_checksum(png: bytes) -> bytes:
    return png[:29] + zlib.crc32(png[12:29]).to_bytes(4) + png[33:]


def after(name: str, marker: bytes, distance: int, value: bytes) -> bytes:
    return patched(name, (FILES[name].index(marker) + distance, value))


HUGE = struct.pack(">II", 60000, 60000)
BOMBS = {
    "JPEG": after("JPEG", b"\xff\xc0", 5, struct.pack(">HH", 60000, 60000)),
    "PNG": with_checksum(patched("PNG", (16, HUGE))),
    "BMP": patched("BMP", (18, struct.pack("<ii", 60000, -60000))),
    "GIF": patched("GIF", (6, struct.pack("<HH", 60000, 60000))),
    "WebP": patched("WebP", (26, struct.pack("<HH", 16383, 16383))),
    "WebP without loss": patched("WebP without loss", (21, struct.pack("<I", 16383 | 16383 << 14))),
    "WebP animation": patched("WebP animation", (24, b"\xff\xff\0\xff\xff\0")),
    "JPEG 2000": after("JPEG 2000", b"\xff\x4f\xff\x51", 8, HUGE),
    "JPEG 2000 codestream": after("JPEG 2000 codestream", b"\xff\x4f\xff\x51", 8, HUGE),
    "Sun raster": patched("Sun raster", (4, HUGE)),
    "PBM": b"P4\n60000 60000\n",
    "PGM": b"P5\n60000 60000\n255\n",
    "PPM": b"P6 # a comment\n60000\n60000 255\n",
    "PAM": FILES["PAM"].replace(b"WIDTH 64", b"WIDTH 60000").replace(b"HEIGHT 48", b"HEIGHT 60000"),
    "Radiance HDR": FILES["Radiance HDR"].replace(b"-Y 48 +X 64", b"-Y 60000 +X 60000"),
    "PFM": b"PF\n60000 60000\n-1.0\n",
}
"""Files that claim 60,000 × 60,000 pixels, or the most that their format can express."""


def tiff(order: str, *fields: tuple[int, int, int]) -> bytes:
    """The beginning of a TIFF with fields of tag, type and value."""
    rows = b"".join(struct.pack(order + "HHII", tag, kind, 1, value) for tag, kind, value in fields)
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(fields))
    return start + rows + bytes(1000)


@pytest.mark.parametrize("name", BOMBS)
def test_a_claim_of_too_many_pixels_is_refused(name: str) -> None:
    with pytest.raises(DecodeError, match="pixels are more than the limit") as caught:
        decode_image(BOMBS[name], None)
    assert caught.value.kind == "too-large"


@pytest.mark.parametrize("order", "<>")
def test_a_tiff_of_too_many_pixels_or_with_huge_tiles_is_refused(order: str) -> None:
    for fields in ([(256, 4, 60000), (257, 4, 60000)], [(256, 4, 64), (257, 4, 48), (322, 4, 60000), (323, 4, 60000)]):
        with pytest.raises(DecodeError) as caught:
            decode_image(tiff(order, *fields), None)
        assert caught.value.kind == "too-large"


def test_refusing_costs_no_memory(tmp_path: Path) -> None:
    for name in BOMBS:
        (tmp_path / name).write_bytes(BOMBS[name])
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from sampler.dataset.images.decode import decode_image\n"
        "from sampler.dataset.images.header import DecodeError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for file in Path(sys.argv[1]).iterdir():\n"
        "    try: decode_image(file.read_bytes(), None)\n"
        "    except DecodeError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    assert int(output_of(code, tmp_path)) * (1 if sys.platform == "darwin" else 1024) < 20e6


def second_frame_header() -> bytes:
    data = FILES["JPEG"]
    at = data.index(b"\xff\xc0")
    length = 2 + int.from_bytes(data[at + 2 : at + 4])
    return data[:at] + data[at : at + length] + data[at:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def second_png_header() -> bytes:
    data = FILES["PNG"]
    return data[:33] + chunk(b"IHDR", struct.pack(">II5B", 60000, 60000, 8, 2, 0, 0, 0)) + data[33:]


def large_animation_frame() -> bytes:
    data = FILES["PNG"]
    control = chunk(b"acTL", struct.pack(">II", 1, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 60000, 60000, 0, 0, 1, 1, 0, 0))
    return data[:33] + control + frame + data[33:]


def hidden_number() -> bytes:
    """OpenCV takes 60000 for the height: it reads the # as the end of a number, not as the start of a comment."""
    return b"P6\n64#60000\n48\n255\n" + bytes(64 * 48 * 3)


AMBIGUOUS: tuple[Callable[[], bytes], ...] = (
    second_frame_header, second_png_header, large_animation_frame, hidden_number,
    lambda: tiff("<", (256, 4, 64), (256, 4, 60000), (257, 4, 48)),
    lambda: FILES["PAM"].replace(b"WIDTH 64\n", b"WIDTH 64\nWIDTH 60000\n"),
    lambda: FILES["Radiance HDR"].replace(b"-Y 48", b"-Y 48 \n-Y 60000"),
)  # fmt: skip


@pytest.mark.parametrize("make", AMBIGUOUS)
def test_a_header_that_can_be_read_in_two_ways_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_image(make(), SIZE)
    assert caught.value.kind in ("unreadable", "too-large")


def hidden_frame() -> bytes:
    """An AVIF whose boxes say 64×48 and whose frame has 1500×1500 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (1500, 1500)).save(file, "AVIF", speed=10)
    return file.getvalue().replace(b"ispe" + bytes(4) + struct.pack(">II", 1500, 1500),
                                   b"ispe" + bytes(4) + struct.pack(">II", 64, 48))  # fmt: skip


def test_an_avif_with_a_frame_larger_than_the_image_is_refused() -> None:
    with pytest.raises(DecodeError, match="frames that are larger"):
        decode_image(hidden_frame(), SIZE)


def test_an_avif_with_alpha_and_metadata_is_read_and_an_animated_one_is_refused() -> None:
    tags, file = Image.Exif(), io.BytesIO()
    tags[0x0110] = "a camera"
    transparent = Image.fromarray(np.concatenate([PIXELS, PIXELS[..., :1]], axis=2))
    transparent.save(file, "AVIF", exif=tags, xmp=b"<x:xmpmeta/>")
    assert read_header(file.getvalue()).size == SIZE
    assert frame_sizes(file.getvalue()) == [SIZE, SIZE], "the colours and the alpha"
    with pytest.raises(DecodeError):
        read_header(pillow("AVIF", save_all=True, append_images=[Image.fromarray(PIXELS)]))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_damaged_avif_is_read_or_refused(noise: bytes, at: int) -> None:
    data = FILES["AVIF"]
    with suppress(ValueError):
        assert all(min(size) > 0 for size in frame_sizes(data[:at] + noise + data[at + len(noise) :]))


def test_the_codestream_of_a_jpeg_2000_counts_whatever_its_boxes_say() -> None:
    data = FILES["JPEG 2000"]
    lying = data.replace(b"ihdr" + struct.pack(">II", 48, 64), b"ihdr" + struct.pack(">II", 4, 4))
    assert lying != data
    assert read_header(lying).size == SIZE
    decoy = data[:12] + chunk(b"uuid", bytes(16) + b"\xff\x4f\xff\x51" + bytes(60))[:-4] + data[12:]
    assert read_header(decoy).size == SIZE


@pytest.mark.parametrize(
    "start",
    [b"v/1\x01\x02\0\0\0", b"\xff\x0a\xff\xff", b"\0\0\0\x0cJXL \r\n\x87\n", b"8BPS\0\1", b"%PDF-1.7", b"<svg",
     b"\0\0\1\0", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"DICM", b"qoif", b"", b"\n"],
)  # fmt: skip
def test_a_format_that_is_not_understood_is_refused_and_the_others_are_named(start: bytes) -> None:
    with pytest.raises(DecodeError, match=r"supported format \(JPEG, PNG, ") as caught:
        decode_image(start + bytes(2000), SIZE)
    assert caught.value.kind == "unreadable"


def test_a_grey_pfm_becomes_colour() -> None:
    pixels = decode_image(opencv("pfm", PIXELS[..., 0].astype(np.float32)), SIZE).pixels
    assert pixels.shape == (*SIZE, 3)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


PIECES = st.sampled_from(
    [b"\xff", b"\0", b"\xff\xff", b"\xea\x60", b"\x60\xea", b"\0\0\xea\x60", b"\x60\xea\0\0", b"\x7f\xff\xff\xff",
     b"60000", b"9", b"#", b"\n", b" "]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 150), PIECES, st.booleans()), min_size=1, max_size=4),
)
def test_an_image_has_the_size_that_its_header_says(name: str, changes: list[tuple[int, bytes, bool]]) -> None:
    data = bytearray(FILES[name])
    for at, piece, inserted in changes:
        data[at : at if inserted else at + len(piece)] = piece
    try:
        header = read_header(bytes(data))
        pixels = decode_image(bytes(data), None, ReadOptions(max_pixels=20_000)).pixels
    except DecodeError:
        return
    assert sorted(pixels.shape[:2]) == sorted(header.size)
