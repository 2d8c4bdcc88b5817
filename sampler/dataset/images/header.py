"""Headers of encoded images: their size, and whether the file is complete, before any pixel is decoded.

Sizes are (height, width) in pixels as stored, before any orientation is applied. Every format that OpenCV may decode is
either understood here or refused: a decoder that finds its size alone could be made to allocate any amount of memory.
Where a header can be read in more than one way, it is refused.
"""

import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from sampler.dataset.images import jpeg
from sampler.dataset.images.avif import frame_sizes
from sampler.dataset.images.orientation import AS_STORED, is_directory, plain_orientation
from sampler.dataset.images.tiff import read_directory

_PNG = b"\x89PNG\r\n\x1a\n"
_END_OF_IMAGE = b"\xff\xd9"
_CODESTREAM = b"\xff\x4f\xff\x51"
"""First markers of a JPEG 2000 codestream; the second one's segment holds the size."""

_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 322, 323
_MAX_TILE = 1 << 24
"""Most pixels of one tile of a TIFF. Decoders allocate whole tiles, even for a small image."""

_MAX_PADDING = 1 << 16
"""Pixels by which one tile of a small AVIF may be larger than the image."""

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])*"
_PNM = re.compile(rb"P[1-6]" + _GAP + rb"(\d{1,9})\s" + _GAP + rb"(\d{1,9})\s")
_PFM = re.compile(rb"P[fF]\n(\d{1,9})\s(\d{1,9})\s[-+.\deE]{1,40}\s")
_PAM = re.compile(rb"P7\n((?:(?:#|WIDTH |HEIGHT |DEPTH |MAXVAL |TUPLTYPE )[^\n]{0,200}\n)*)ENDHDR\n")
_PAM_SIDE = re.compile(rb"^(WIDTH|HEIGHT) +(\d{1,9})$", re.MULTILINE)
_HDR = re.compile(rb"#\?(?:RADIANCE|RGBE)\n(?:[^\0\n]{1,120}\n)*\n-Y (\d{1,9}) \+X (\d{1,9})\n")


class DecodeError(Exception):
    """Encoded bytes that are not a usable image. `kind` is one of ImageError's."""

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(cause)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of an image before it is decoded.

    Attributes:
        format: Name of the file format, such as "JPEG".
        size: (height, width) as stored.
        orientation: The EXIF orientation, 1 to 8. None if only OpenCV can tell: for formats other than JPEG, and for
            unusual Exif data.
    """

    format: str
    size: tuple[int, int]
    orientation: int | None = None


def read_header(data: bytes) -> Header:
    """Return the header of an encoded image.

    Raises:
        DecodeError: The image is truncated or damaged, or its format is not supported. Decoders would fill a missing
            part with grey and only warn.
    """
    for start, name, parse in _FORMATS:
        if data.startswith(start):
            return _sized(name, parse(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _sized("WebP", _webp(data))
    if data[4:8] == b"ftyp" and b"avi" in data[8 : int.from_bytes(data[:4])]:  # HEIC begins like AVIF
        return _sized("AVIF", _avif(data))
    if data.startswith(jpeg.START):
        return _jpeg(data)
    known = "JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF, PNM, PFM, PAM, Radiance HDR and Sun raster"
    raise DecodeError("unreadable", f"not an image of a supported format ({known})")


def _sized(name: str, size: tuple[int, int] | None) -> Header:
    if size is None or min(size) < 1:
        raise DecodeError("unreadable", f"{name} without a valid header: the file is truncated or damaged")
    return Header(name, size)


def _jpeg(data: bytes) -> Header:
    """Read the segments up to the first scan. An end marker must follow; the bytes of a scan cannot look like one."""
    size, exif = None, []
    for marker, start, end in jpeg.segments(data):
        if marker in jpeg.FRAMES and start + 9 <= len(data):
            if size is not None:
                raise DecodeError("unreadable", "JPEG with two frame headers")
            size = int.from_bytes(data[start + 5 : start + 7]), int.from_bytes(data[start + 7 : start + 9])
        elif marker == jpeg.APP1 and is_directory(data[start + 4 : end]):
            exif.append(plain_orientation(data[start + 4 : end]))
        elif marker == jpeg.START_OF_SCAN:
            if size is None:
                raise DecodeError("unreadable", "JPEG without a frame header")
            if data.rfind(_END_OF_IMAGE, start) < 0:
                raise DecodeError("unreadable", "JPEG is truncated: it has no end marker")
            return Header("JPEG", _sized("JPEG", size).size, _orientation(exif))
    raise DecodeError("unreadable", "JPEG is truncated: it has no pixels")


def _orientation(found: list[int | None]) -> int | None:
    """Return the orientation of a JPEG from that of each piece of Exif data."""
    if all(one == AS_STORED for one in found):
        return AS_STORED
    return found[0] if len(found) == 1 else None


def _png(data: bytes) -> tuple[int, int]:
    """Walk all chunks, and check the checksums of the critical ones."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise DecodeError("unreadable", "PNG without a header")
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            break
        kind = data[at + 4 : at + 8]
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise DecodeError("unreadable", f"PNG is damaged at byte {at}")
        if kind == b"IHDR" and at > 8:
            raise DecodeError("unreadable", "PNG with two headers")
        if kind == b"fcTL" and _leaves_canvas(data[at + 8 : end], width, height):
            raise DecodeError("unreadable", "PNG with an animation frame larger than the image")
        if kind == b"IEND":
            return height, width
        at = end + 4
    raise DecodeError("unreadable", "PNG is truncated: it has no end")


def _leaves_canvas(frame: bytes, width: int, height: int) -> bool:
    frame_width, frame_height, left, top = (int.from_bytes(frame[at : at + 4]) for at in (4, 8, 12, 16))
    return left + frame_width > width or top + frame_height > height


def _bmp(data: bytes) -> tuple[int, int] | None:
    header = int.from_bytes(data[14:18], "little")
    if header == 12:
        return _little(data, 20, 2), _little(data, 18, 2)
    if header < 36:
        return None
    return abs(int.from_bytes(data[22:26], "little", signed=True)), _little(data, 18, 4)


def _gif(data: bytes) -> tuple[int, int]:
    return _little(data, 8, 2), _little(data, 6, 2)


def _sun(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[8:12]), int.from_bytes(data[4:8])


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X":
        return 1 + _little(data, 27, 3), 1 + _little(data, 24, 3)
    if data[12:16] == b"VP8L":
        sides = _little(data, 21, 4)
        return 1 + (sides >> 14 & 0x3FFF), 1 + (sides & 0x3FFF)
    if data[12:16] == b"VP8 ":
        return _little(data, 28, 2) & 0x3FFF, _little(data, 26, 2) & 0x3FFF
    return None


def _tiff(data: bytes) -> tuple[int, int] | None:
    wanted = (_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH)
    try:
        fields = [field for field in read_directory(data) if field.tag in wanted]
    except ValueError:
        return None
    values = {field.tag: field.value or 0 for field in fields}
    if len(values) < len(fields):
        raise DecodeError("unreadable", "TIFF with two sizes")
    tile = values.get(_TILE_WIDTH, 0) * values.get(_TILE_LENGTH, 0)
    if tile > _MAX_TILE:
        raise DecodeError("too-large", f"TIFF with tiles of {tile} pixels, more than the limit of {_MAX_TILE}")
    return values.get(_LENGTH, 0), values.get(_WIDTH, 0)


def _jpeg2000(data: bytes) -> tuple[int, int] | None:
    """Return the size of the largest codestream: the boxes around it may claim anything."""
    sizes, at = [], data.find(_CODESTREAM)
    while at >= 0:
        right, bottom, left, top = (int.from_bytes(data[at + place :][:4]) for place in (8, 12, 16, 20))
        sizes.append((bottom - top, right - left))
        at = data.find(_CODESTREAM, at + 4)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _avif(data: bytes) -> tuple[int, int] | None:
    try:
        frames = frame_sizes(data)
        with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
            size = image.height, image.width
    except Exception:  # noqa: BLE001 - Pillow's parsers raise anything on damaged files
        return None
    # The tiles of a grid may extend beyond the image, but no part of an image is much larger than the image.
    if any(height * width > 2 * size[0] * size[1] + _MAX_PADDING for height, width in frames):
        raise DecodeError("unreadable", "AVIF with frames that are larger than the image")
    return size


def _netpbm(data: bytes) -> tuple[int, int] | None:
    found = _PNM.match(data) or _PFM.match(data)
    if found is not None:
        return int(found[2]), int(found[1])
    lines = _PAM.match(data)
    sides = [] if lines is None else _PAM_SIDE.findall(lines[1])
    if sorted(name for name, _ in sides) != [b"HEIGHT", b"WIDTH"]:
        return None
    values = {name: int(value) for name, value in sides}
    return values[b"HEIGHT"], values[b"WIDTH"]


def _hdr(data: bytes) -> tuple[int, int] | None:
    found = _HDR.match(data)
    return None if found is None else (int(found[1]), int(found[2]))


def _little(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


_FORMATS: tuple[tuple[bytes, str, Callable[[bytes], tuple[int, int] | None]], ...] = (
    (_PNG, "PNG", _png),
    (b"BM", "BMP", _bmp),
    (b"GIF8", "GIF", _gif),
    (b"II", "TIFF", _tiff),
    (b"MM", "TIFF", _tiff),
    (b"\0\0\0\x0cjP  ", "JPEG 2000", _jpeg2000),
    (_CODESTREAM, "JPEG 2000", _jpeg2000),
    (b"#?", "Radiance HDR", _hdr),
    (b"\x59\xa6\x6a\x95", "Sun raster", _sun),
    *((b"P" + kind, "PNM", _netpbm) for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"f", b"F")),
)
