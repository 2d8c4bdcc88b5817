"""The table of the segments of a JPEG scan, compiled: numbers of few bits, each found without reading those before it.

For each row of MCUs: its position in the scan; for each of its segments the position in the row, the DC value of the
first block of each component, and how many bits of the first MCU come before the second component, and from there
before the third; the position where the row ends. Positions are in bits. All numbers of one kind have the same width.
At least `PADDING` bytes follow.
"""

import numpy as np
from numpy.typing import NDArray

from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_words import INT, Bytes, Integers, address, load_int, load_word, store_word

PADDING = 8
"""Bytes behind the table, which is read in words."""

COMPONENTS, DC_SIZES, MAX_CODE = 3, 12, 16
"""Colour components at most, numbers of bits that a DC value may have (0–11), and bits of the longest code."""

Codes = NDArray[np.uint32]

Layout = tuple[int, int, int, int, int, int, int, int]
"""Rows, segments per row, and components. Widths in bits, 56 at most: of the position of a row, of a position in a row,
of a DC value, of the two lengths."""


@njit(nogil=True)
def field(table: int, position: int, width: int) -> np.int64:
    """Return `width` bits, 57 at most, of the memory at an address."""
    if width == 0:
        return np.int64(0)
    return np.int64((load_word(table + (position >> 3)) << np.uint64(position & 7)) >> np.uint64(64 - width))


@njit(nogil=True)
def row_and_segment_bits(layout: Layout) -> tuple[int, int]:
    """Return the bits of a row and of a segment in the table."""
    segment = layout[4] + layout[2] * layout[5] + layout[6] + layout[7]
    return layout[3] + layout[1] * segment + layout[4], segment


@njit(nogil=True)
def _is_valid(array: Bytes, known: Codes, layout: Layout, length: int) -> bool:
    table, codes = address(array), address(known)
    for n in range(COMPONENTS * DC_SIZES):
        code = load_int(codes + INT * n)
        if code >> 16 > MAX_CODE or (code & 0xFFFF) >> (code >> 16):
            return False
    row_bits, segment_bits = row_and_segment_bits(layout)
    before = 0
    for row in range(layout[0]):
        place = row * row_bits + layout[3]
        start, last = field(table, row * row_bits, layout[3]), -1
        if start < before:
            return False
        for segment in range(layout[1] + 1):
            offset = field(table, place + segment * segment_bits, layout[4])
            if offset <= last:
                return False
            last = offset
        before = start + last
    return before <= 8 * length


def is_valid(table: Bytes, codes: Codes, layout: Layout, length: int) -> bool:
    """Return whether the segments of a table follow each other in a scan of `length` bytes, and the codes are codes.

    codes: (3, 12) uint32, for each component and size of DC values: length · 2¹⁶ + code, or 0.
    """
    return bool(_is_valid(table, codes, layout, length))


@njit(nogil=True)
def _put(table: int, position: int, number: int, width: int) -> int:
    """Write `width` bits to zeros at an address; return the position behind them."""
    if width:
        place = table + (position >> 3)
        store_word(place, load_word(place) | np.uint64(number) << np.uint64(64 - width - (position & 7)))
    return position + width


@njit(nogil=True)
def _pack(points: Integers, multiple: int, lowest: int, layout: Layout, array: Bytes) -> None:
    table, position, last = address(array), 0, points.shape[1] - 1
    for row in range(points.shape[0]):
        start = points[row, 0, 0]
        position = _put(table, position, start, layout[3])
        for segment in range(0, last, multiple):
            position = _put(table, position, points[row, segment, 0] - start, layout[4])
            for part in range(layout[2]):
                position = _put(table, position, points[row, segment, 1 + part] - lowest, layout[5])
            for gap in range(2):
                position = _put(table, position, points[row, segment, 4 + gap], layout[6 + gap])
        position = _put(table, position, points[row, last, 0] - start, layout[4])


def pack(points: Integers, multiple: int, lowest: int, layout: Layout, size: int) -> bytes:
    """Return a table of `size` bytes with every `multiple`-th of the segments that a scan found in each row.

    points: As `sampler.kernels.compiled.jpeg_scan.scan` gives them. lowest: What to take off each DC value.
    """
    table = np.zeros(size, np.uint8)
    _pack(points, multiple, lowest, layout, table)
    return table.tobytes()


KERNELS = (_is_valid, _pack)
