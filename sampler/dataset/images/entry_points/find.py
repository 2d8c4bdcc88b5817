"""Finding the entry points of a file: one pass over its data."""

from struct import pack

import numpy as np
from numpy.typing import NDArray

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.headers import AC, JpegHeaders, read_headers
from sampler.dataset.images.entry_points.points import (
    BETWEEN_ROWS,
    CODES_BYTES,
    RECORD_BYTES,
    EntryPoints,
    most_segments,
    table_bytes,
)
from sampler.dataset.images.entry_points.small_header import DC_SIZES, dc_codes, small_header, with_sizes
from sampler.kernels.jpeg_loops import Integers, jpeg_loops

SEGMENT_PIXELS = 16
"""Width of the shortest segments."""

_TABLE_BYTES, _COLOUR_BITS, _GREY_BITS = 7200, 76, 36
"""Bytes of a record for its table, and bits of a segment in it: estimates that most files do not exceed."""

_MAX_FILE = 1 << 26
_TABLE = 272
_FAULTS = {
    -1: "a code that no Huffman table has",
    -2: "a block of more than 64 coefficients",
    -3: "an invalid DC value",
    -4: "restart markers in unexpected places",
    -5: "a scan that does not end where it should",
}


def find_entry_points(data: bytes) -> EntryPoints:
    """Return the entry points of a JPEG file: as many as `RECORD_BYTES` hold.

    Raises:
        NoEntryPoints: The file is not suitable: progressive, damaged or unusual in another way.
    """
    if len(data) > _MAX_FILE:
        raise NoEntryPoints(f"a file of more than {_MAX_FILE} bytes")
    headers = read_headers(data)
    rows, columns = (-(-side // unit) for side, unit in zip(headers.size, headers.mcu, strict=True))
    blocks, tables = _blocks(headers)
    if rows * columns * len(blocks) * 2 > 8 * (len(data) - headers.start):  # a block takes two bits at least
        raise NoEntryPoints("less data than its size takes")
    within = headers.restart if headers.restart < columns else 0
    step = within or _step(rows, columns, headers)
    if columns % within if within else headers.restart % columns:
        raise NoEntryPoints("restart intervals that do not fit into rows")
    grid = rows, columns, min(step, columns), headers.restart or rows * columns
    scanned = jpeg_loops().scan(np.frombuffer(data, np.uint8), headers.start, blocks, tables, grid)
    if scanned[0] < 0:
        raise NoEntryPoints(_FAULTS[scanned[0]])
    restart = within or (BETWEEN_ROWS if headers.restart else 0)
    return _fitting(headers, len(data), grid[2], restart, *scanned)


def _step(rows: int, columns: int, headers: JpegHeaders) -> int:
    """Return MCUs per segment so that the record is expected to be just small enough."""
    segments = 8 * _TABLE_BYTES // (rows * (_COLOUR_BITS if len(headers.components) == 3 else _GREY_BITS))
    return max(1, SEGMENT_PIXELS // headers.mcu[1], -(-columns // max(segments, 1)))


def _blocks(headers: JpegHeaders) -> tuple[list[tuple[int, int, int]], NDArray[np.uint8]]:
    """Return what the scan needs to know about the blocks of an MCU, and about Huffman tables. See `JpegLoops.scan`."""
    rows = {key: row for row, key in enumerate(headers.huffman)}
    padded = b"".join(table.ljust(_TABLE, b"\0") for table in headers.huffman.values())
    tables = np.frombuffer(padded, np.uint8).reshape(-1, _TABLE)
    single = len(headers.components) == 1
    blocks = [
        (number, rows[one.dc], rows[AC + one.ac])
        for number, one in enumerate(headers.components)
        for _ in range(1 if single else one.horizontal * one.vertical)
    ]
    return blocks, tables


def _fitting(
    headers: JpegHeaders, file_size: int, step: int, restart: int, stop: int, found: Integers, summary: Integers
) -> EntryPoints:
    """Return the entry points of the shortest segments whose record is small enough."""
    start, length, lowest, highest, gap, other_gap, *sizes = summary.tolist()
    widths = (
        start.bit_length(), length.bit_length(), (highest - lowest).bit_length(), gap.bit_length(),
        other_gap.bit_length(),
    )  # fmt: skip
    components = headers.components
    tables = _dc_tables(headers, sizes)
    codes = {number: dc_codes(table) for number, table in tables.items()}
    header, restart_at = small_header(headers, tables)
    rows, most, count = found.shape[0], found.shape[1] - 1, len(components)
    fitting = most_segments((rows, most, count, *widths), len(header), RECORD_BYTES)
    if fitting < 1:
        raise NoEntryPoints("more rows than a record holds")
    multiple = -(-most // fitting)
    layout = rows, -(-most // multiple), count, *widths
    return EntryPoints(
        headers.size, headers.mcu, count, step * multiple, restart, file_size, (headers.start, stop), widths, lowest,
        b"".join(pack(f"<{DC_SIZES}I", *codes[one.dc]) for one in components).ljust(CODES_BYTES, b"\0"), header,
        restart_at, jpeg_loops().pack(found, multiple, lowest, layout, table_bytes(layout)),
    )  # fmt: skip


def _dc_tables(headers: JpegHeaders, sizes: list[int]) -> dict[int, bytes]:
    """Return the Huffman tables for DC values, with a code for each size that the difference of two values may have.

    sizes: a bit for each size of a component's values. Raises NoEntryPoints if there is no room.
    """
    if max(sizes) >> DC_SIZES:
        raise NoEntryPoints("a DC value out of range")
    needed: dict[int, int] = {}
    for one, bits in zip(headers.components, sizes, strict=False):
        largest = min(bits.bit_length(), DC_SIZES - 1)  # a difference may have one bit more than the values
        needed[one.dc] = needed.get(one.dc, 0) | (2 << largest) - 1
    return {number: with_sizes(headers.huffman[number], bits) for number, bits in needed.items()}
