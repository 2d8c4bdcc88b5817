"""Decoding of valid, unusual and damaged image files."""

import contextlib
import os
import socket
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sampler.dataset.images.decode import MAX_PIXELS, ReadOptions
from sampler.dataset.images.header import DecodeError, read_header
from sampler.errors import ImageError, InvalidRequestError
from tests.support.coco_files import opencv_pixels, photo, read_file, write_image, write_jpeg
from tests.support.processes import output_of


def fault(path: Path, width: int = 64, height: int = 48, max_pixels: int = MAX_PIXELS) -> ImageError:
    """The error that a file gets, which names it and is one line."""
    with pytest.raises(ImageError) as caught:
        read_file(path, width, height, max_pixels)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def pixels_or_fault(path: Path, width: int, height: int, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8] | str:
    """The pixels of a file, or the kind of its error."""
    try:
        return read_file(path, width, height, max_pixels)
    except ImageError as error:
        return error.kind


def test_every_real_coco_image_is_read_as_opencv_reads_it(shared: Path) -> None:
    files = sorted((shared / "coco-tiny/images").rglob("*.jpg"))
    assert len(files) == 38
    for file in files:
        expected = opencv_pixels(file)
        pixels = read_file(file, expected.shape[1], expected.shape[0])
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "kept RGB"])
def test_every_kind_of_jpeg_is_read_as_opencv_reads_it(
    mode: str, progressive: bool, subsampling: int, tmp_path: Path
) -> None:
    for width, height in ((161, 120), (17, 9), (1, 1), (3, 200)):
        picture = Image.fromarray(photo(width, height)).convert("RGB" if mode == "kept RGB" else mode)
        kept = {"keep_rgb": True} if mode == "kept RGB" else {"subsampling": subsampling}
        file = tmp_path / f"{width}.jpg"
        picture.save(file, "JPEG", progressive=progressive, quality=88, **kept)
        assert np.array_equal(read_file(file, width, height), opencv_pixels(file))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff", "ppm", "jp2", "gif", "ras", "avif", "pam"])
def test_every_format_opencv_writes_is_read_as_opencv_reads_it(suffix: str, tmp_path: Path) -> None:
    if not cv2.haveImageWriter(f"x.{suffix}"):
        pytest.skip(f"this OpenCV writes no {suffix}")
    file = write_image(tmp_path / f"a.{suffix}", photo(64, 48))
    pixels = read_file(file, 64, 48)
    assert np.array_equal(pixels, opencv_pixels(file))
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


def test_the_name_of_a_file_does_not_decide_its_format(tmp_path: Path) -> None:
    png = write_image(tmp_path / "a.png", photo(64, 48)).rename(tmp_path / "a.jpg")
    assert np.array_equal(read_file(png, 64, 48), photo(64, 48))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_grey_becomes_colour(suffix: str, tmp_path: Path) -> None:
    pixels = read_file(write_image(tmp_path / f"grey.{suffix}", photo(64, 48)[..., 0]), 64, 48)
    assert pixels.shape == (48, 64, 3)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_is_dropped(suffix: str, tmp_path: Path) -> None:
    alpha = photo(64, 48, seed=1)[..., :1] | 1
    file = write_image(tmp_path / f"alpha.{suffix}", np.concatenate([photo(64, 48), alpha], axis=2))
    pixels = read_file(file, 64, 48)
    assert pixels.shape == (48, 64, 3)
    assert np.array_equal(pixels, opencv_pixels(file))


@pytest.mark.parametrize("mode", ["P", "1", "LA", "CMYK", "I;16"])
def test_unusual_pixel_layouts_are_read_as_opencv_reads_them(mode: str, tmp_path: Path) -> None:
    file = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture = Image.fromarray(photo(64, 48))
    (picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)).save(file)
    assert np.array_equal(read_file(file, 64, 48), opencv_pixels(file))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
def test_a_wrong_size_names_file_and_both_sizes(suffix: str, tmp_path: Path) -> None:
    error = fault(write_image(tmp_path / f"a.{suffix}", photo(64, 48)), width=63, height=48)
    assert error.kind == "mis-sized"
    assert "64×48" in error.cause
    assert "63×48" in error.cause


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    assert fault(tmp_path / "gone.jpg").kind == "missing"
    assert fault(tmp_path / "no" / "such" / "folder.jpg").kind == "missing"


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff", "ppm", "jp2", "gif"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.95, -1])
def test_a_truncated_file_is_unreadable(
    suffix: str, kept: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not cv2.haveImageWriter(f"x.{suffix}"):
        pytest.skip(f"this OpenCV writes no {suffix}")
    file = write_image(tmp_path / f"a.{suffix}", photo(64, 48))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)] if kept > 0 else whole[:-1])
    assert fault(file).kind == "unreadable"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_a_jpeg_cut_anywhere_is_unreadable_and_whole_it_is_read(options: dict[str, int], tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(photo(64, 48)).save(file, "JPEG", **options)
    whole = file.read_bytes()
    assert read_file(file, 64, 48).shape == (48, 64, 3)
    for length in range(1, len(whole), 7):
        file.write_bytes(whole[:length])
        assert fault(file).kind == "unreadable"


def test_a_truncated_jpeg_is_detected_even_if_its_thumbnail_is_complete(tmp_path: Path) -> None:
    thumbnail = write_jpeg(tmp_path / "thumbnail.jpg", 16, 16).read_bytes()
    whole = write_jpeg(tmp_path / "a.jpg", 64, 48).read_bytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    file = tmp_path / "both.jpg"
    file.write_bytes(whole[:2] + segment + whole[2:])
    assert read_file(file, 64, 48).shape == (48, 64, 3)
    file.write_bytes((whole[:2] + segment + whole[2:])[:-200])
    assert "truncated" in fault(file).cause


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\n", b"ftypmp42 a video", b"\xff\xd8\xff\xe0 another start"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_bytes_after_the_end_of_an_image_are_ignored(tail: bytes, suffix: str, tmp_path: Path) -> None:
    file = write_image(tmp_path / f"a.{suffix}", photo(64, 48))
    expected = read_file(file, 64, 48)
    file.write_bytes(file.read_bytes() + tail)
    assert np.array_equal(read_file(file, 64, 48), expected)


def test_fill_bytes_between_jpeg_segments_are_ignored(tmp_path: Path) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    expected, data = read_file(file, 64, 48), file.read_bytes()
    file.write_bytes(data[:2] + b"\xff\xff\xff" + data[2:])
    assert np.array_equal(read_file(file, 64, 48), expected)


def test_a_png_with_a_damaged_byte_is_unreadable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = write_image(tmp_path / "a.png", photo(64, 48))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert "damaged" in fault(file).cause
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is text" * 50, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"]
)
def test_a_file_that_is_not_an_image_is_unreadable(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(content)
    assert fault(file).kind == "unreadable"
    assert capfd.readouterr().err == ""


def test_a_folder_is_unreadable(tmp_path: Path) -> None:
    assert fault(tmp_path).kind == "unreadable"


@pytest.mark.timeout(20)
def test_pipes_sockets_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert fault(tmp_path / "pipe.jpg").kind == "unreadable"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
        assert fault(tmp_path / "s.jpg").kind == "unreadable"
    assert fault(Path("/dev/zero")).kind == "unreadable"


def test_names_refused_by_the_system_are_unreadable(tmp_path: Path) -> None:
    assert fault(tmp_path / ("x" * 300)).kind == "unreadable"
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    assert fault(file / "below.jpg").kind == "unreadable"


def huge_jpeg(file: Path) -> Path:
    data = bytearray(write_jpeg(file, 64, 48).read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (60000).to_bytes(2) + (60000).to_bytes(2)
    file.write_bytes(data)
    return file


def huge_png(file: Path) -> Path:
    data = bytearray(write_image(file, photo(64, 48)).read_bytes())
    data[16:24] = (60000).to_bytes(4) + (60000).to_bytes(4)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    file.write_bytes(data)
    return file


def huge_gif(file: Path) -> Path:
    Image.fromarray(photo(64, 48)).save(file)
    data = bytearray(file.read_bytes())
    data[6:10] = (60000).to_bytes(2, "little") * 2
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("make", [huge_jpeg, huge_png, huge_gif])
def test_an_image_of_60000_by_60000_pixels_is_refused_at_no_cost(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def] # three functions of one shape
    file = make(tmp_path / f"huge.{make.__name__.removeprefix('huge_')}")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from sampler.errors import ImageError; from tests.support.coco_files import read_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_file(Path(sys.argv[1]), 60000, 60000)\n"
        "except ImageError as error: print(error.kind)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    kind, grown = output_of(code, file).split()
    assert kind == "too-large"
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 50e6
    assert fault(file).kind == "too-large", "the limit comes before the annotated size"


@pytest.mark.parametrize("suffix", ["pam", "hdr"])
def test_the_size_of_formats_known_only_to_opencv_is_checked(suffix: str, tmp_path: Path) -> None:
    pixels = photo(64, 48)
    file = write_image(tmp_path / f"a.{suffix}", pixels.astype(np.float32) / 255 if suffix == "hdr" else pixels)
    assert read_file(file, 64, 48).shape == (48, 64, 3)
    assert fault(file, width=48, height=64).kind == "mis-sized"


def test_a_jpeg_without_a_frame_is_unreadable(tmp_path: Path) -> None:
    data = write_jpeg(tmp_path / "a.jpg", 64, 48).read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + data[data.index(b"\xff\xda") :])
    assert "frame header" in fault(tmp_path / "a.jpg").cause


def test_the_caller_sets_the_pixel_limit(tmp_path: Path) -> None:
    for suffix in ("jpg", "bmp", "pam"):
        file = write_image(tmp_path / f"a.{suffix}", photo(64, 48))
        assert read_file(file, 64, 48, max_pixels=64 * 48).size
        assert fault(file, max_pixels=64 * 48 - 1).kind == "too-large"


@pytest.mark.parametrize(
    ("options", "field"),
    [({"max_pixels": 0}, "max_pixels"), ({"damaged": "ignore"}, "damaged"), ({"follow_links": 1}, "follow_links")],
)
def test_an_invalid_option_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError, match=field):
        ReadOptions(**options)


@pytest.mark.parametrize("side", [48, 1 << 20])
def test_a_huge_file_is_refused_before_it_is_read_whatever_its_annotated_size(side: int, tmp_path: Path) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    os.truncate(file, 2**36)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            read_file(file, side, side)
        assert caught.value.kind == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tiff", "webp", "gif"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data())
def test_damaged_bytes_give_pixels_or_an_image_error_and_nothing_else(
    suffix: str, data: st.DataObject, tmp_path: Path
) -> None:
    whole = bytearray(write_image(tmp_path / f"whole.{suffix}", photo(32, 24)).read_bytes())
    for place in data.draw(st.lists(st.integers(0, min(len(whole), 400) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    file = tmp_path / f"damaged.{suffix}"
    file.write_bytes(whole)
    pixels = pixels_or_fault(file, 32, 24, max_pixels=10_000)
    if isinstance(pixels, str):
        assert pixels in {"unreadable", "mis-sized", "too-large"}
    else:
        assert pixels.shape == (24, 32, 3)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"GIF89a"])
)
def test_a_header_of_any_bytes_is_read_or_refused(tail: bytes, start: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert min(read_header(start + tail).size) > 0
