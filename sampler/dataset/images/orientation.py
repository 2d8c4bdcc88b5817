"""EXIF orientation: how an image is turned to be shown.

1 as stored        3 turned by 180°       5 transposed                7 transposed, turned by 180°
2 mirrored         4 upside down          6 turned clockwise          8 turned counter-clockwise
"""

import cv2
import numpy as np
import numpy.typing as npt

from sampler.dataset.images.tiff import ORIENTATION, Field, read_directory
from sampler.image_part import Region
from sampler.ops.resize import Pair

AS_STORED = 1
TRANSPOSED = range(5, 9)
"""Orientations that exchange width and height."""

_NAME = b"Exif\0\0"
_SHORT, _RATIONAL = 3, 5
_RESOLUTIONS = (282, 283)
_RARE = (318, 319, 529, 532)
"""Tags of colour spaces. OpenCV reads a fixed number of values, whatever number the field has."""

_ROWS, _COLUMNS, _BOTH = 0, 1, -1
_MIRRORED = {2: _COLUMNS, 3: _BOTH, 4: _ROWS, 6: _COLUMNS, 7: _BOTH, 8: _ROWS}
"""What `cv2.flip` mirrors, after transposing: 0 the rows, 1 the columns, -1 both."""

_MARKS = (b"\0*", b"*\0")
"""Bytes 2 and 3 of every directory."""


def is_directory(application: bytes) -> bool:
    """Return whether OpenCV looks for an orientation in the application data of a JPEG, whatever its name is."""
    return application[8:10] in _MARKS


def plain_orientation(application: bytes) -> int | None:
    """Return the orientation in the application data of a JPEG, 1 if there is none.

    None for anything unusual, which decoders may read in different ways.
    """
    try:
        fields = read_directory(application[len(_NAME) :])
    except ValueError:
        return None
    if not all(map(_is_usual, fields)):
        return None  # decoders may stop at this field
    found = [field for field in fields if field.tag == ORIENTATION]
    if not found:
        return AS_STORED
    if len(found) > 1 or found[0].type != _SHORT or found[0].value not in range(1, 9):
        return None
    return found[0].value if application.startswith(_NAME) or found[0].value == AS_STORED else None


def _is_usual(field: Field) -> bool:
    return field.complete and field.tag not in _RARE and (field.tag not in _RESOLUTIONS or field.type == _RATIONAL)


def turned(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Return an image as it is shown, contiguous. pixels: (H, W, 3) as stored."""
    if orientation in TRANSPOSED:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    axis = _MIRRORED.get(orientation)
    return pixels if axis is None else np.asarray(cv2.flip(pixels, axis), np.uint8)


def shown_size(stored: Pair, orientation: int) -> Pair:
    """Return (height, width) of an image as it is shown, from that of the image as stored."""
    return stored[::-1] if orientation in TRANSPOSED else stored


def stored_region(shown: Region, size: Pair, orientation: int) -> Region:
    """Return where the pixels of a region of an image as shown are stored. size: of the image as shown."""
    rows, columns = _mirrored(shown, size, orientation)
    return Region(columns, rows) if orientation in TRANSPOSED else Region(rows, columns)


def shown_region(stored: Region, size: Pair, orientation: int) -> Region:
    """Return where the pixels of a region of an image as stored are shown. size: of the image as shown."""
    turned_region = Region(stored.columns, stored.rows) if orientation in TRANSPOSED else stored
    return Region(*_mirrored(turned_region, size, orientation))


def _mirrored(region: Region, size: Pair, orientation: int) -> tuple[Pair, Pair]:
    """Return rows and columns of a region of an image of `size` after mirroring, which is its own inverse."""
    axis, rows, columns = _MIRRORED.get(orientation), region.rows, region.columns
    if axis in (_ROWS, _BOTH):
        rows = size[0] - rows[1], size[0] - rows[0]
    if axis in (_COLUMNS, _BOTH):
        columns = size[1] - columns[1], size[1] - columns[0]
    return rows, columns
