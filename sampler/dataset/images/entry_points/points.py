"""Entry points of a file as a value: what is stored of them, and which part of the image they give.

An MCU is the smallest unit of a scan: blocks of all components that show the same rectangle of pixels. A segment is
some MCUs next to each other; where it begins, decoding can begin.
"""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np

from sampler.dataset.images.entry_points.errors import EntryPointsError
from sampler.dataset.images.entry_points.small_header import DC_SIZES, SIZE_AFTER
from sampler.image_part import Region
from sampler.kernels.jpeg_loops import Layout, jpeg_loops

RECORD_BYTES = 8192 - 64
"""Most bytes of encoded entry points. With its header, a record then takes 8192 bytes."""

MARGIN = 2
"""Pixels around a region that are decoded too. Colour is interpolated from at most one pixel further."""

LEAST_SIDE = 16
"""Pixels that a part is wide at least, unless the image is narrower: libjpeg does not interpolate colour in a narrow
image."""

_COMPONENTS = 3
CODES_BYTES = 4 * _COMPONENTS * DC_SIZES
"""Bytes of `EntryPoints.codes`."""

_PADDING = 8
"""Bytes behind the table, which is read in words."""

BETWEEN_ROWS = -1
"""See `EntryPoints.restart`."""

_MOST_RESTART = 65535
"""Most MCUs of a restart interval."""

_FIXED = struct.Struct("<BBBBHHHiIIIBBBBBhHH")
_VERSION = 2
"""Raised whenever the meaning of encoded entry points changes, together with `FORMAT` of the records."""


@dataclass(frozen=True, slots=True)
class EntryPoints:
    """Where decoding of a JPEG file can begin.

    Attributes:
        size: (height, width) of the image, in pixels.
        mcu: (height, width) of an MCU, in pixels.
        components: 1 for grey, 3 for colour.
        step: MCUs per segment. The last one of each row may be shorter.
        restart: MCUs per restart interval if a row has several. `BETWEEN_ROWS` if the file has restart markers between
            rows only, 0 if it has none.
        file_size: Bytes of the file.
        scan: [start, stop) of the scan's data in the file.
        widths: Bits of the numbers in `table`: the position of a row in the scan, the position of a segment in its row,
            a DC value, and the lengths of the first MCU's first and second component.
        lowest: What to add to DC values.
        codes: 36 uint32, for each component and number of bits of a DC value: length · 2¹⁶ + code, or 0.
        header: Headers of the small file; its restart interval, at `restart_at`, and its size are 0.
        restart_at: See `header`.
        table: The numbers: for each row its position; for each of its segments position, DC value of each component and
            two lengths; and the position where the row ends.
    """

    size: tuple[int, int]
    mcu: tuple[int, int]
    components: int
    step: int
    restart: int
    file_size: int
    scan: tuple[int, int]
    widths: tuple[int, int, int, int, int]
    lowest: int
    codes: bytes
    header: bytes
    restart_at: int
    table: bytes

    def __post_init__(self) -> None:
        """Raise EntryPointsError if the parts contradict each other."""
        numbers = (*self.size, *self.mcu, self.step, self.restart_at)
        limited = BETWEEN_ROWS <= self.restart <= _MOST_RESTART and max(self.widths) <= 56
        if min(numbers) < 1 or self.components not in (1, _COMPONENTS) or not limited:
            raise EntryPointsError("entry points with a number out of range")
        if not 0 < self.scan[0] <= self.scan[1] <= self.file_size - 2 or len(self.codes) != CODES_BYTES:
            raise EntryPointsError("entry points with a scan outside the file")
        if self.restart_at + SIZE_AFTER + 4 > len(self.header) or len(self.table) != table_bytes(self.layout):
            raise EntryPointsError("entry points of the wrong length")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows of MCUs, and segments in a row."""
        return -(-self.size[0] // self.mcu[0]), -(-self.size[1] // (self.mcu[1] * self.step))

    @property
    def layout(self) -> Layout:
        """The layout of the table, as the compiled loops take it."""
        return (*self.grid, self.components, *self.widths)

    def encode(self) -> bytes:
        """Return the entry points as at most `RECORD_BYTES` bytes."""
        fixed = _FIXED.pack(
            _VERSION, self.components, *self.mcu, *self.size, self.step, self.restart, self.file_size, *self.scan,
            *self.widths, self.lowest, self.restart_at, len(self.header),
        )  # fmt: skip
        return b"".join((fixed, self.codes, self.header, self.table))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the entry points that `encode` gave. Raises EntryPointsError for other bytes."""
        try:
            version, components, *numbers = _FIXED.unpack_from(data)
        except struct.error as error:
            raise EntryPointsError("entry points that are cut off") from error
        if version != _VERSION:
            raise EntryPointsError(f"entry points of version {version}; this version reads {_VERSION}")
        mcu_height, mcu_width, height, width, step, restart, file_size, start, stop, *rest = numbers
        *widths, lowest, restart_at, header_length = rest
        header = _FIXED.size + CODES_BYTES
        table = header + header_length
        points = cls(
            (height, width), (mcu_height, mcu_width), components, step, restart, file_size, (start, stop),
            tuple(widths), lowest, data[_FIXED.size : header], data[header:table], restart_at, data[table:],
        )  # fmt: skip
        content, codes = np.frombuffer(points.table, np.uint8), np.frombuffer(points.codes, np.uint32)
        if not jpeg_loops().is_valid(content, codes, points.layout, stop - start):
            raise EntryPointsError("entry points that do not follow each other, or invalid codes")
        return points

    def part(self, region: Region) -> tuple[int, int, int, int]:
        """Return the rows of MCUs [start, stop) and the segments [start, stop) of the part that covers a region.

        Raises ValueError for a region that is empty or not in the image.
        """
        # Families may compute with integers of NumPy, which lack methods that headers are written with.
        (top, bottom), (left, right) = map(int, region.rows), map(int, region.columns)
        height, width = self.size
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise ValueError(f"{region}: expected a part of an image of {width}×{height} pixels")
        tall, wide = self.mcu[0], self.mcu[1] * self.step
        first, last = max(left - MARGIN, 0) // wide, -(-min(right + MARGIN, width) // wide)
        if width - first * wide < LEAST_SIDE and first > 0:
            first -= 1
        return max(top - MARGIN, 0) // tall, -(-min(bottom + MARGIN, height) // tall), first, last

    def covering(self, region: Region) -> Region:
        """Return the smallest part that holds a region and the margin that its pixels depend on. Raises ValueError."""
        return self.pixels_of(self.part(region))

    def pixels_of(self, part: tuple[int, int, int, int]) -> Region:
        """Return the pixels of a part, given as `part` gives it."""
        tall, wide = self.mcu[0], self.mcu[1] * self.step
        rows = part[0] * tall, min(part[1] * tall, self.size[0])
        return Region(rows, (part[2] * wide, min(part[3] * wide, self.size[1])))


def most_segments(layout: Layout, header: int, limit: int) -> int:
    """Return how many segments a row may have at most so that encoded entry points have `limit` bytes at most.

    layout: with any number of segments. header: bytes of the small file's headers.
    """
    rows, _, components, row, offset, value, *lengths = layout
    bits = 8 * (limit - _FIXED.size - CODES_BYTES - header - _PADDING) // rows - row - offset
    return bits // (offset + components * value + sum(lengths))


def table_bytes(layout: Layout) -> int:
    """Return how many bytes a table of entry points has."""
    rows, segments, components, row, offset, value, *lengths = layout
    segment = offset + components * value + sum(lengths)
    return -(-rows * (row + segments * segment + offset) // 8) + _PADDING
