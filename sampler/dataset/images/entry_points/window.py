"""A part of a JPEG file as a small JPEG file."""

import numpy as np

from sampler.dataset.images.entry_points.errors import EntryPointsError
from sampler.dataset.images.entry_points.points import BETWEEN_ROWS, EntryPoints
from sampler.dataset.images.entry_points.small_header import SIZE_AFTER
from sampler.image_part import Region
from sampler.kernels.jpeg_loops import jpeg_loops

_OVERHEAD_PIXELS = 4096
"""Pixels that could be decoded while a window is looked up and copied."""

_SLOWDOWN = 1.05
"""How much longer a pixel of a window takes than one of a whole image: it is copied before it is decoded."""


def is_worthwhile(points: EntryPoints, region: Region) -> bool:
    """Return whether decoding a window is expected to take less time than decoding the whole image.

    Raises ValueError for a region that is empty or not in the image.
    """
    height, width = points.covering(region).shape
    return _OVERHEAD_PIXELS + _SLOWDOWN * height * width < points.size[0] * points.size[1]


def window_jpeg(data: bytes, points: EntryPoints, region: Region) -> tuple[bytes, Region]:
    """Return a baseline JPEG that shows a part of an image, and which part: `points.covering(region)`.

    Decoded, it has exactly the pixels of the whole image, except within `MARGIN` of edges that are not the image's.

    Args:
        data: The file.
        points: Its entry points.
        region: The pixels that are needed.

    Raises:
        EntryPointsError: The entry points are not those of the file.
        ValueError: The region is empty or not in the image.
    """
    part = points.part(region)
    shown = points.pixels_of(part)
    if len(data) != points.file_size:
        raise EntryPointsError(f"entry points of a file of {points.file_size} bytes for one of {len(data)}")
    window = jpeg_loops().copy_window(
        np.frombuffer(data, np.uint8),
        np.frombuffer(points.table, np.uint8),
        np.frombuffer(points.codes, np.uint32),
        points.layout,
        part,
        points.scan,
        points.lowest,
        points.restart,
        _header(points, shown),
    )
    if window is None:
        raise EntryPointsError("entry points of another file")
    return window, shown


def _header(points: EntryPoints, shown: Region) -> bytes:
    """Return the headers of a small JPEG of a part."""
    height, width = shown.shape
    interval = -(-width // points.mcu[1]) if points.restart == BETWEEN_ROWS else points.restart
    place, size = points.restart_at, points.restart_at + SIZE_AFTER
    header = bytearray(points.header)
    header[place : place + 2] = interval.to_bytes(2)
    header[size : size + 4] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(header)
