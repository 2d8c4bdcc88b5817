"""Headers of encoded images: their size, and whether the file is complete, before any pixel is decoded.

Sizes are (height, width) in pixels as stored, before any orientation is applied.
"""

import io
import zlib

from PIL import Image

_PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
"""First bytes of every JPEG."""
_END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])

_PILLOW_FORMATS = ("BMP", "DIB", "PPM", "TIFF", "WEBP", "GIF", "JPEG2000", "AVIF", "SUN")
"""Formats besides JPEG and PNG that OpenCV decodes and whose size Pillow reads."""


class DecodeError(Exception):
    """Encoded bytes that are not a usable image. `kind` is one of ImageError's."""

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(cause)
        self.kind = kind


def stored_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of an encoded image, or None for a format that only the decoder knows.

    Raises:
        DecodeError: The image is truncated or damaged. Decoders would fill the missing part with grey and only warn.
    """
    if data.startswith(JPEG):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    return _other(data)


def _jpeg(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the first scan. An end marker must follow; the bytes of a scan cannot look like one."""
    size, at = None, 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0xFF, 0x00):
            at += 1  # fill bytes, which decoders skip
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        if marker == _START_OF_SCAN:
            if size is None:
                raise DecodeError("unreadable", "JPEG without a frame header")
            if data.rfind(_END_OF_IMAGE, at) < 0:
                raise DecodeError("unreadable", "JPEG is truncated: it has no end marker")
            return size
        if marker in _FRAME_HEADERS and at + 9 <= len(data):
            size = int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    raise DecodeError("unreadable", "JPEG is truncated: it has no pixels")


def _png(data: bytes) -> tuple[int, int]:
    """Walk all chunks, and check the checksums of the critical ones."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise DecodeError("unreadable", "PNG without a header")
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            break
        critical = not data[at + 4] & 0x20
        if critical and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise DecodeError("unreadable", f"PNG is damaged at byte {at}")
        if data[at + 4 : at + 8] == b"IEND":
            return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])
        at = end + 4
    raise DecodeError("unreadable", "PNG is truncated: it has no end")


def _other(data: bytes) -> tuple[int, int] | None:
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            return image.height, image.width
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DecodeError("too-large", str(error)) from error
    except Exception:  # noqa: BLE001 - Pillow's parsers raise anything on damaged files; the decoder will report it
        return None
