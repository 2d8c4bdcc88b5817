"""Decoding images to exactly the pixels that OpenCV gives, or an error that says what is wrong with the file.

The header is checked before any pixel is decoded, so a file that claims an absurd size costs nothing.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from sampler.checks import require_bool, require_integer
from sampler.dataset.images.header import DecodeError, Header, read_header
from sampler.dataset.images.jpeg_damage import first_warning, jpeg_notes
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.images.orientation import shown_size, turned
from sampler.dataset.images.quiet import opencv_log, silence_opencv, without_libjpeg_warnings, without_libpng_messages
from sampler.dataset.images.source import ImageSource
from sampler.dataset.images.tiff import as_stored
from sampler.dataset.images.tiff_damage import tiff_notes
from sampler.errors import ImageError, InvalidRequestError

MAX_PIXELS = 178_956_970
"""Default pixel limit: half a gigabyte of BGR, and where Pillow reports a decompression bomb."""

DECODER_BYTES = 24
"""Bytes that decoding takes at most for each pixel, in nearly all formats. JPEG and PNG take 12 at most."""

_ENCODED_SLACK = 64 * 2**20
"""Bytes a file may have beyond 8 a pixel: metadata, or the video that phones append to a photo."""

Damaged = Literal["serve", "refuse"]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How images are read. No part of any digest.

    Attributes:
        max_pixels: Larger images are not decoded.
        damaged: "serve" gives OpenCV's pixels of a damaged image, "refuse" an ImageError.
        follow_links: Whether links that lead out of the image folder are followed.
    """

    max_pixels: int = MAX_PIXELS
    damaged: Damaged = "serve"
    follow_links: bool = False

    def __post_init__(self) -> None:
        """Raise InvalidRequestError for an invalid option."""
        require_integer("max_pixels", self.max_pixels, low=1)
        require_bool("follow_links", self.follow_links)
        if self.damaged not in get_args(Damaged):
            raise InvalidRequestError("damaged", self.damaged, f"one of {', '.join(get_args(Damaged))}")


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image as (height, width, 3) uint8 BGR, contiguous, and what is unusual about its file."""

    pixels: Pixels
    notes: tuple[ImageNote, ...] = ()


DEFAULT_OPTIONS = ReadOptions()


def read_image(
    source: ImageSource, name: str, size: tuple[int, int] | None, options: ReadOptions = DEFAULT_OPTIONS
) -> DecodedImage:
    """Read an image from a source and decode it. See `decode_image`.

    Raises:
        ImageError: The image is "missing", "unreadable", "mis-sized", "too-large", "damaged" or "outside".
    """
    data = read_encoded(source, name, size, options.max_pixels)
    return decode_file(data, source.describe(name), size, options)


def read_encoded(source: ImageSource, name: str, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the encoded bytes of an image of annotated size. Raises ImageError."""
    return source.read(name, encoded_limit(size, max_pixels))


def encoded_limit(size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> int:
    """Return the most bytes that the file of an image of annotated size may have."""
    pixels = max_pixels if size is None else min(size[0] * size[1], max_pixels)
    return _ENCODED_SLACK + 8 * pixels


def decode_file(
    data: bytes, where: str, size: tuple[int, int] | None, options: ReadOptions = DEFAULT_OPTIONS
) -> DecodedImage:
    """Decode the content of an image file. See `decode_image`. Raises ImageError, which names `where` it is."""
    try:
        return decode_image(data, size, options)
    except DecodeError as error:
        raise ImageError(where, error.kind, str(error)) from error


def decode_image(data: bytes, size: tuple[int, int] | None, options: ReadOptions = DEFAULT_OPTIONS) -> DecodedImage:
    """Return the pixels that `cv2.imread` returns for a file, turned as its EXIF orientation says.

    Grey becomes colour and alpha is dropped. If only the pixels as stored have the annotated size, the orientation is
    not applied, and a note says so.

    Args:
        data: The encoded image.
        size: Annotated (height, width) in pixels; None for any size.
        options: The pixel limit, and what to do with damaged images.

    Raises:
        DecodeError: The image cannot be decoded, is too large, not of the annotated size, or damaged and refused.
    """
    try:
        return _decode_checked(data, size, options)
    except MemoryError as error:
        cause = "decoding takes more memory than this process may use; raise SAMPLER_WORKER_MEMORY_MB in a server"
        raise DecodeError("too-large", cause) from error


def _decode_checked(data: bytes, size: tuple[int, int] | None, options: ReadOptions) -> DecodedImage:
    header = read_header(data)
    height, width = header.size
    if height * width > options.max_pixels:
        raise DecodeError("too-large", f"{_text(header.size)} pixels are more than the limit of {options.max_pixels}")
    if size not in (None, header.size, header.size[::-1]):
        raise _mis_sized(header.size, size)
    if header.orientation is not None:
        return _decode_jpeg(data, header.size, header.orientation, size, options)
    if header.format == "TIFF":
        with opencv_log() as log:
            pixels = _decode(data, header.size)
        notes = _checked(tiff_notes(log), options)
    else:
        notes = _checked(jpeg_notes(data, first_warning(data)), options) if header.format == "JPEG" else ()
        pixels = _decode(data, header.size, 0, _quiet(header.format, notes))
    if size is None or pixels.shape[:2] == size:
        return DecodedImage(pixels, notes)
    if header.size != size:
        raise _mis_sized(pixels.shape, size)
    return _decode_as_stored(data, header, size, notes)


def _decode_jpeg(
    data: bytes, stored: tuple[int, int], orientation: int, size: tuple[int, int] | None, options: ReadOptions
) -> DecodedImage:
    """Decode a JPEG of known orientation with libjpeg-turbo directly, which gives OpenCV's pixels without its copy."""
    shown = shown_size(stored, orientation)
    applied = size in (None, shown)
    if size is not None and size not in (shown, stored):
        raise _mis_sized(shown, size)
    notes = () if applied else (_not_applied(stored),)
    try:
        pixels = np.asarray(simplejpeg.decode_jpeg(data, colorspace="BGR"), np.uint8)
    except ValueError as error:  # damaged, or of a kind that only OpenCV decodes
        warnings = _checked(jpeg_notes(data, str(error)), options)
        flags = 0 if applied else cv2.IMREAD_IGNORE_ORIENTATION
        return DecodedImage(_decode(data, stored, flags, _quiet("JPEG", warnings)), (*warnings, *notes))
    return DecodedImage(turned(pixels, orientation) if applied else pixels, notes)


def _decode_as_stored(data: bytes, header: Header, size: tuple[int, int], notes: tuple[ImageNote, ...]) -> DecodedImage:
    # OpenCV applies the orientation of a TIFF even if it is told not to.
    data = as_stored(data) if header.format == "TIFF" else data
    pixels = _decode(data, size, cv2.IMREAD_IGNORE_ORIENTATION, _quiet(header.format, notes))
    if pixels.shape[:2] != size:
        raise _mis_sized(pixels.shape, size)
    return DecodedImage(pixels, (*notes, _not_applied(size)))


def _not_applied(size: tuple[int, int]) -> ImageNote:
    text = f"the orientation is not applied: only the pixels as stored are {_text(size)}, as annotated"
    return ImageNote("orientation", text)


def _checked(notes: tuple[ImageNote, ...], options: ReadOptions) -> tuple[ImageNote, ...]:
    """Return the notes of an image. Raises DecodeError if it is damaged and such images are refused."""
    for note in notes:
        if note.kind == "damaged" and options.damaged == "refuse":
            raise DecodeError("damaged", f"{note.text}; restore the file (SAMPLER_DAMAGED=serve serves it as it is)")
    return notes


def _quiet(name: str, notes: tuple[ImageNote, ...]) -> AbstractContextManager[object]:
    """Return a context that keeps a decoder off stderr. notes: not empty if libjpeg is known to print a warning."""
    if name == "PNG":
        return without_libpng_messages()
    return without_libjpeg_warnings() if notes else nullcontext()


def _decode(
    data: bytes, size: tuple[int, int], flags: int = 0, quiet: AbstractContextManager[object] | None = None
) -> Pixels:
    """Return OpenCV's pixels. `size` is that of the image; `quiet` keeps its decoder off stderr."""
    silence_opencv()
    try:
        with quiet or nullcontext():
            pixels: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | flags)  # type: ignore[assignment] # OpenCV's stubs lack the dtype
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        raise DecodeError("unreadable", f"cannot be decoded: {getattr(error, 'err', None) or error}") from error
    if pixels is None:
        _check_memory(size)
        raise DecodeError("unreadable", "not an image that OpenCV can decode, or truncated or damaged")
    if pixels.ndim == 2:  # a grey PFM, which OpenCV does not turn into colour
        return np.ascontiguousarray(np.broadcast_to(pixels[..., None], (*pixels.shape, 3)))
    return pixels


def _check_memory(size: tuple[int, int]) -> None:
    """Raise MemoryError if there is too little memory to decode an image; most decoders do not tell why they failed."""
    np.empty((*size, DECODER_BYTES), np.uint8)


def _mis_sized(found: tuple[int, ...], expected: tuple[int, int]) -> DecodeError:
    return DecodeError("mis-sized", f"the file is {_text(found)} pixels, the annotations say {_text(expected)}")


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]}×{size[0]}"
