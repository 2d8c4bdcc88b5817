"""Damaged TIFFs: OpenCV gives their pixels, and what libtiff says about them is noted."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from sampler.dataset.images.decode import ReadOptions, decode_image
from sampler.dataset.images.header import DecodeError
from tests.support.coco_files import photo

SIZE = (240, 320)
COMPRESSIONS = ("tiff_adobe_deflate", "tiff_lzw", "jpeg", "packbits")


def tiff(compression: str, orientation: int = 1) -> bytes:
    """A TIFF with a tag that libtiff does not know, such as those of GeoTIFF."""
    file, tags = io.BytesIO(), TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x0112] = orientation
    tags[65000] = "of a tool"
    Image.fromarray(photo(SIZE[1], SIZE[0])).save(file, "TIFF", compression=compression, tiffinfo=tags)
    return file.getvalue()


def with_hole(data: bytes, length: int) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(length) + data[middle + length :]


@pytest.mark.parametrize("compression", ["raw", *COMPRESSIONS])
def test_an_intact_tiff_has_no_notes_and_prints_nothing(compression: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert decode_image(tiff(compression), SIZE).notes == ()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_lost_data_is_noted_and_the_pixels_stay_those_of_opencv(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = with_hole(tiff(compression), 400 if compression == "jpeg" else 20_000)
    decoded = decode_image(data, SIZE)
    assert [note.kind for note in decoded.notes] == ["damaged"]
    assert decoded.notes[0].text.startswith("libtiff: ")
    assert capfd.readouterr().err == ""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert np.array_equal(decoded.pixels, pixels)


def test_a_damaged_tiff_is_refused_if_so_asked() -> None:
    with pytest.raises(DecodeError, match="libtiff: ZIPDecode") as caught:
        decode_image(with_hole(tiff("tiff_adobe_deflate"), 20_000), SIZE, ReadOptions(damaged="refuse"))
    assert caught.value.kind == "damaged"


def test_damage_and_an_orientation_that_is_not_applied_are_both_noted() -> None:
    decoded = decode_image(with_hole(tiff("tiff_lzw", orientation=6), 20_000), SIZE)
    assert [note.kind for note in decoded.notes] == ["damaged", "orientation"]


def test_a_tiff_of_unknown_compression_counts_as_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    """OpenCV gives a black image."""
    data, tag = tiff("tiff_lzw"), struct.pack("<HHI", 259, 3, 1)
    assert tag in data
    at = data.index(tag) + len(tag)
    decoded = decode_image(data[:at] + struct.pack("<H", 9999) + data[at + 2 :], SIZE)
    assert [note.kind for note in decoded.notes] == ["damaged"]
    assert capfd.readouterr().err == ""
