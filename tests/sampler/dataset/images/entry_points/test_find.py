"""Files that cannot be decoded in parts have no entry points, and the reason says why."""

import hashlib
import io
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import RECORD_BYTES
from sampler.dataset.images.entry_points.records import FORMAT
from sampler.dataset.images.entry_points.small_header import with_sizes
from tests.support.jpegs import ENCODERS, draw

PLAIN = ENCODERS["OpenCV 4:2:0"](draw("noise", 40, 50, 1), 90)
RESTARTS = ENCODERS["OpenCV 4:2:0, restarts"](draw("noise", 40, 64, 1), 90)
FRAME, TABLES, QUANTIZATION, SCAN = (PLAIN.find(bytes([0xFF, marker])) for marker in (0xC0, 0xC4, 0xDB, 0xDA))
DATA = SCAN + 14
"""Where the data of the scan begins."""


def pillow(mode: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw("noise", 40, 50, 1)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def with_bytes(place: int, content: bytes, data: bytes = PLAIN) -> bytes:
    return data[:place] + content + data[place + len(content) :]


UNSUITABLE: dict[str, tuple[bytes, str]] = {
    "progressive": (pillow("RGB", progressive=True), "progressive coding"),
    "CMYK": (pillow("CMYK"), "4 colour components"),
    "arithmetic": (with_bytes(FRAME + 1, b"\xc9"), "arithmetic coding"),
    "lossless": (with_bytes(FRAME + 1, b"\xc3"), "lossless coding"),
    "12 bits": (with_bytes(FRAME + 4, b"\x0c"), "12 bits per value"),
    "size given later": (with_bytes(FRAME + 5, b"\0\0"), "no height or width in the frame header"),
    "other subsampling": (with_bytes(FRAME + 11, b"\x14"), "unusual subsampling [(1, 4), (1, 1), (1, 1)]"),
    "subsampled luminance": (with_bytes(FRAME + 14, b"\x22"), "unusual subsampling [(2, 2), (2, 2), (1, 1)]"),
    "component ids": (with_bytes(FRAME + 13, b"\x01"), "two components with one id"),
    "scan of one component": (PLAIN[:SCAN] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + PLAIN[DATA:], "several scans"),
    "scan of DC values": (with_bytes(DATA - 2, b"\0"), "a scan of part of the coefficients"),
    "scan order": (with_bytes(SCAN + 5, b"\x02\0\x01"), "components in another order than in the frame header"),
    "two frames": (PLAIN[:SCAN] + PLAIN[FRAME : FRAME + 19] + PLAIN[SCAN:], "two frame headers"),
    "no frame": (PLAIN[:FRAME] + PLAIN[FRAME + 19 :], "no frame header"),
    "frame length": (with_bytes(FRAME + 9, b"\x02"), "a frame header of the wrong length"),
    "no Huffman table": (with_bytes(SCAN + 6, b"\x22"), "no Huffman table for a component"),
    "no quantization table": (with_bytes(FRAME + 12, b"\x03"), "no quantization table for a component"),
    "too many codes": (with_bytes(TABLES + 5, b"\x03"), "an invalid Huffman table"),
    "quantization table": (with_bytes(QUANTIZATION + 4, b"\x25"), "an invalid quantization table"),
    "bytes between segments": (PLAIN[:SCAN] + b"\0" + PLAIN[SCAN:], "unexpected bytes between its headers"),
    "fill bytes": (PLAIN[:SCAN] + b"\xff" + PLAIN[SCAN:], "unexpected bytes between its headers"),
    "other segment": (PLAIN[:SCAN] + b"\xff\xcc\0\4\0\0" + PLAIN[SCAN:], "an unexpected segment (marker 0xcc)"),
    "no scan": (PLAIN[:SCAN], "no scan"),
    "truncated": (PLAIN[:-20] + b"\xff\xd9", "a scan that does not end where it should"),
    "no end": (PLAIN[:-2], "a scan that does not end where it should"),
    "more data": (PLAIN[:-2] + b"\0\0\xff\xd9", "a scan that does not end where it should"),
    "another scan": (PLAIN[:-2] + PLAIN[SCAN:], "a scan that does not end where it should"),
    "size claims more": (with_bytes(FRAME + 5, b"\xff\xff\xff\xff"), "less data than its size takes"),
    "size claims a row more": (with_bytes(FRAME + 6, b"\x31"), "a scan that does not end where it should"),
    "restart lost": (RESTARTS.replace(b"\xff\xd1", b""), "restart markers in unexpected places"),
    "restarts in another order": (RESTARTS.replace(b"\xff\xd1", b"\xff\xd2"), "restart markers in unexpected places"),
    "restarts unannounced": (
        RESTARTS.replace(b"\xff\xdd\0\4\0\1", b"\xff\xdd\0\4\0\0"), "a scan that does not end where it should"
    ),
    "restarts across rows": (
        ENCODERS["OpenCV 4:2:0"](draw("noise", 40, 50, 1), 90)[:SCAN] + b"\xff\xdd\0\4\0\3" + PLAIN[SCAN:],
        "restart intervals that do not fit into rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSUITABLE)
def test_unsuitable_files_have_no_entry_points(name: str) -> None:
    data, reason = UNSUITABLE[name]
    with pytest.raises(NoEntryPoints) as found:
        find_entry_points(data)
    assert found.value.reason == reason


def test_an_invalid_code_is_found() -> None:
    ones = PLAIN[:DATA] + b"\xff\0" * 40 + PLAIN[DATA + 80 :]
    with pytest.raises(NoEntryPoints, match=r"invalid DC value|no Huffman table has"):
        find_entry_points(ones)


def test_metadata_and_bytes_behind_the_image_do_not_matter() -> None:
    exif = b"\xff\xe1" + (2 + 6000).to_bytes(2) + bytes(6000)
    comment = b"\xff\xfe\0\5abc"
    changed = PLAIN[:2] + exif + comment + PLAIN[2:] + b"the video of a phone"
    one, other = find_entry_points(PLAIN), find_entry_points(changed)
    assert (one.header, one.table, one.codes) == (other.header, other.table, other.codes)


def test_an_image_of_too_many_rows_has_no_entry_points() -> None:
    data = ENCODERS["OpenCV 4:4:4"](np.zeros((60_000, 8, 3), np.uint8), 50)
    with pytest.raises(NoEntryPoints, match="more rows than a record holds"):
        find_entry_points(data)
    shorter = ENCODERS["OpenCV 4:4:4"](np.zeros((6_000, 8, 3), np.uint8), 50)
    assert len(find_entry_points(shorter).encode()) <= RECORD_BYTES


def test_dc_values_without_room_for_a_code_have_no_entry_points() -> None:
    # One code of each length: only that of sixteen ones is left, which stays unused.
    with pytest.raises(NoEntryPoints, match="no room in a Huffman table"):
        with_sizes(bytes([1] * 16) + bytes(range(1, 17)), 0b1)
    shorter = bytes([1] * 15 + [0]) + bytes(range(1, 16))
    assert with_sizes(shorter, 0b1) == bytes([1] * 16) + bytes([*range(1, 16), 0])
    assert with_sizes(shorter, 0b10) == shorter


JPEG = b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYV"
    "pQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAAQ"
    "ADADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhBy"
    "JxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKT"
    "lJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAA"
    "AAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRom"
    "JygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExc"
    "bHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDOhq/DVCGr8NB4xfhq9DVGGr0NAF+Gq/iX/kXLr/gH/oa1Yhqv"
    "4l/5Fy6/4B/6GtbYf+ND1X5nRhP48PVfmf/Z"
)
"""48×16 pixels, 4:2:0, quality 60."""


def test_encoded_entry_points_change_only_with_their_version_and_the_format_of_records() -> None:
    """A record of the same format that cannot be read would have its image decoded whole for ever."""
    encoded = find_entry_points(JPEG).encode()
    assert (encoded[0], FORMAT) == (2, 2)
    assert hashlib.blake2b(encoded, digest_size=16).hexdigest() == "af2fcec953c94454fc6ce0c541cdebc5"
