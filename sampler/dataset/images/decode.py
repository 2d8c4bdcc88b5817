"""Decoding images to exactly the pixels that OpenCV gives, or an error that says what is wrong with the file.

The header is checked before any pixel is decoded, so a file that claims an absurd size costs nothing.
"""

import functools

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from sampler.dataset.images.header import JPEG, DecodeError, stored_size
from sampler.dataset.images.source import ImageSource
from sampler.errors import ImageError

MAX_PIXELS = 178_956_970
"""Default pixel limit: half a gigabyte of BGR, and where Pillow reports a decompression bomb."""

_ENCODED_SLACK = 64 * 2**20
"""Bytes a file may have beyond 8 a pixel: metadata, or the video that phones append to a photo."""

Pixels = npt.NDArray[np.uint8]


def read_image(source: ImageSource, name: str, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read an image from a source and decode it. See `decode_image`.

    Raises:
        ImageError: The image is "missing", "unreadable", "mis-sized" or "too-large".
    """
    return decode_file(read_encoded(source, name, size, max_pixels), source.describe(name), size, max_pixels)


def read_encoded(source: ImageSource, name: str, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the encoded bytes of an image of annotated size. Raises ImageError."""
    pixels = max_pixels if size is None else size[0] * size[1]
    return source.read(name, _ENCODED_SLACK + 8 * pixels)


def decode_file(data: bytes, where: str, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode the content of an image file. See `decode_image`. Raises ImageError, which names `where` it is."""
    try:
        return decode_image(data, size, max_pixels)
    except DecodeError as error:
        raise ImageError(where, error.kind, str(error)) from error


def decode_image(data: bytes, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Return (height, width, 3) uint8 BGR, contiguous: what `cv2.imread` returns for a file of that size.

    Grey becomes colour and alpha is dropped.

    Args:
        data: The encoded image.
        size: Annotated (height, width) in pixels. EXIF orientation is applied only if that is what gives this size.
            None applies it always, as `cv2.imread` does.
        max_pixels: Larger images are not decoded.

    Raises:
        DecodeError: The image is damaged, too large, or not of the annotated size.
    """
    stored = stored_size(data)
    known = stored or size
    if known is not None and known[0] * known[1] > max_pixels:
        raise DecodeError("too-large", f"{_text(known)} pixels are more than the limit of {max_pixels}")
    if size is None:
        return _decode(data, oriented=True)
    if stored is None:  # only OpenCV knows the size of this format
        pixels = _decode(data, oriented=False)
        if pixels.shape[:2] != size:
            pixels = _decode(data, oriented=True)
    elif stored in (size, size[::-1]):
        pixels = _decode(data, oriented=stored != size)
    else:
        raise _mis_sized(stored, size)
    if pixels.shape != (*size, 3):
        raise _mis_sized(pixels.shape[:2], size)
    return pixels


def _decode(data: bytes, oriented: bool) -> Pixels:
    if not oriented and data.startswith(JPEG):
        try:
            # libjpeg-turbo directly: the same pixels as OpenCV's, without its copy.
            return np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"), np.uint8)
        except ValueError:
            pass  # CMYK, or damage that OpenCV may tolerate: OpenCV decides
    _silence_opencv()
    flags = cv2.IMREAD_COLOR if oriented else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)  # type: ignore[assignment] # OpenCV's stubs lack the dtype
    except (cv2.error, MemoryError) as error:
        raise DecodeError("unreadable", f"cannot be decoded: {getattr(error, 'err', None) or error}") from error
    if pixels is None:
        raise DecodeError("unreadable", "not an image that OpenCV can decode, or truncated or damaged")
    return pixels


def _mis_sized(found: tuple[int, ...], expected: tuple[int, int]) -> DecodeError:
    return DecodeError("mis-sized", f"the file is {_text(found)} pixels, the annotations say {_text(expected)}")


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]}×{size[0]}"


@functools.cache
def _silence_opencv() -> None:
    """Keep OpenCV from printing to stderr what the error says; once per process is enough."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
