"""Pixels of image files, exactly as OpenCV decodes them, or an error that says what is wrong with the file.

A header is read before pixels are, so that a file of absurd size costs nothing. Only regular files are opened.
"""

import functools
import os
import stat
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from sampler.dataset.images.header import JPEG, BadHeaderError, read_header
from sampler.errors import ImageError

MAX_PIXELS = 178_956_970
"""Largest image that is decoded: half a gigabyte of BGR, and where Pillow refuses an image as a decompression bomb."""

_ENCODED_SLACK = 64 * 2**20
"""Bytes a file may hold beyond 8 a pixel: metadata, or the video that telephones append to a photo."""


def read_image(path: Path, width: int, height: int, max_pixels: int = MAX_PIXELS) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 BGR, contiguous: what `cv2.imread` makes of a file of that size.

    Grey becomes colour, alpha is dropped. The orientation of EXIF is applied only where that is what gives the
    annotated size. Raises ImageError of kind "missing", "unreadable", "mis-sized" or "too-large".
    """
    data = _regular_file(path, _ENCODED_SLACK + 8 * width * height)
    try:
        header = read_header(data)
    except BadHeaderError as error:
        raise ImageError(path, error.kind, str(error)) from error
    if header is None:
        return _try_both(path, data, width, height, max_pixels)
    if header.width * header.height > max_pixels:
        cause = f"{header.width}×{header.height} pixels are more than the limit of {max_pixels}"
        raise ImageError(path, "too-large", cause)
    if (header.width, header.height) == (width, height):
        return _of_size(path, _decode(path, data, oriented=False), width, height)
    if (header.height, header.width) == (width, height):
        return _of_size(path, _decode(path, data, oriented=True), width, height)
    raise _mis_sized(path, header.width, header.height, width, height)


def _try_both(path: Path, data: bytes, width: int, height: int, max_pixels: int) -> npt.NDArray[np.uint8]:
    """For a format whose header only OpenCV knows."""
    if width * height > max_pixels:
        raise ImageError(path, "too-large", f"{width}×{height} pixels are more than the limit of {max_pixels}")
    pixels = _decode(path, data, oriented=False)
    if pixels.shape[:2] != (height, width):
        pixels = _decode(path, data, oriented=True)
    return _of_size(path, pixels, width, height)


def _of_size(path: Path, pixels: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    if pixels.shape != (height, width, 3):
        raise _mis_sized(path, pixels.shape[1], pixels.shape[0], width, height)
    return pixels


def _mis_sized(path: Path, found_width: int, found_height: int, width: int, height: int) -> ImageError:
    cause = f"the file is {found_width}×{found_height} pixels, the annotations say {width}×{height}"
    return ImageError(path, "mis-sized", cause)


def _regular_file(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes. Never waits for a pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ImageError(path, "missing", "the file does not exist") from error
    except (OSError, ValueError) as error:
        raise ImageError(path, "unreadable", f"the file cannot be opened: {error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(path, "unreadable", "not a regular file")
        if status.st_size > most:
            cause = f"{status.st_size} bytes are more than an image of the annotated size can need"
            raise ImageError(path, "too-large", cause)
        data = _content(descriptor, status.st_size)
    except OSError as error:
        raise ImageError(path, "unreadable", f"the file cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if not data:
        raise ImageError(path, "unreadable", "the file is empty")
    return data


def _content(descriptor: int, length: int) -> bytes:
    """The first `length` bytes of a file, which one call gives on any local disk; fewer where it has shrunk since."""
    data = os.read(descriptor, length)
    while len(data) < length and (more := os.read(descriptor, length - len(data))):
        data += more
    return data


def _decode(path: Path, data: bytes, oriented: bool) -> npt.NDArray[np.uint8]:
    if not oriented and data.startswith(JPEG):
        try:
            # Straight to libjpeg-turbo: OpenCV's pixels, without its copy.
            return np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"), np.uint8)
        except ValueError:
            pass  # a JPEG that needs OpenCV's conversion (CMYK) or its leniency: it decides what can be decoded
    _quiet_opencv()
    flags = cv2.IMREAD_COLOR if oriented else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: npt.NDArray[np.uint8] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)  # type: ignore[assignment] # OpenCV's stubs do not say the dtype
    except (cv2.error, MemoryError) as error:
        raise ImageError(path, "unreadable", f"cannot be decoded: {getattr(error, 'err', None) or error}") from error
    if pixels is None:
        raise ImageError(path, "unreadable", "not an image that OpenCV can decode, or cut short or damaged")
    return pixels


@functools.cache
def _quiet_opencv() -> None:
    """Stop OpenCV from printing to stderr, once a process, what the raised error says already."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
