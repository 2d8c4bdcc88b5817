"""Finding the entry points of a file: one pass over its data."""

from struct import pack

import numpy as np
from numpy.typing import NDArray

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.headers import AC, JpegHeaders, read_headers
from sampler.dataset.images.entry_points.points import RECORD_BYTES, EntryPoints, encoded_bytes, table_bytes
from sampler.dataset.images.entry_points.small_header import DC_SIZES, dc_codes, extended_tables, small_header
from sampler.kernels.jpeg_loops import Integers, jpeg_loops

SEGMENT_PIXELS = 16
"""Width of the shortest segments."""

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
    step = within or max(1, SEGMENT_PIXELS // headers.mcu[1])
    if columns % within if within else headers.restart % columns:
        raise NoEntryPoints("restart intervals that do not fit into rows")
    grid = rows, columns, min(step, columns), headers.restart or rows * columns
    scanned = jpeg_loops().scan(np.frombuffer(data, np.uint8), headers.start, blocks, tables, grid)
    if scanned[0] < 0:
        raise NoEntryPoints(_FAULTS[scanned[0]])
    return _fitting(headers, len(data), grid[2], within, *scanned)


def _blocks(headers: JpegHeaders) -> tuple[list[tuple[int, int, int]], NDArray[np.uint8]]:
    """Return what the scan needs to know about the blocks of an MCU, and about Huffman tables. See `JpegLoops.scan`."""
    rows = {key: row for row, key in enumerate(headers.huffman)}
    tables = np.zeros((len(rows), _TABLE), np.uint8)
    for key, row in rows.items():
        tables[row, : len(headers.huffman[key])] = np.frombuffer(headers.huffman[key], np.uint8)
    single = len(headers.components) == 1
    blocks = [
        (number, rows[one.dc], rows[AC + one.ac])
        for number, one in enumerate(headers.components)
        for _ in range(1 if single else one.horizontal * one.vertical)
    ]
    return blocks, tables


def _fitting(
    headers: JpegHeaders, file_size: int, step: int, within: int, stop: int, found: Integers, summary: Integers
) -> EntryPoints:
    """Return the entry points of the shortest segments whose record is small enough."""
    start, length, lowest, highest, *gaps = summary.tolist()[:6]
    widths = (
        start.bit_length(),
        length.bit_length(),
        (highest - lowest).bit_length(),
        *(gap.bit_length() for gap in gaps),
    )
    tables = extended_tables(headers, [_sizes(bits) for bits in summary.tolist()[6:]])
    count = len(headers.components)
    codes = [code for one in headers.components for code in dc_codes(tables[one.dc])]
    codes += [0] * (DC_SIZES * (3 - count))
    header, restart_at = small_header(headers, tables)
    rows, most = found.shape[0], found.shape[1] - 1
    for multiple in range(1, most + 1):
        layout = rows, -(-most // multiple), count, *widths
        if encoded_bytes(layout, len(header)) <= RECORD_BYTES:
            return EntryPoints(
                headers.size, headers.mcu, count, step * multiple, within, file_size, (headers.start, stop), widths,
                lowest, pack(f"<{len(codes)}I", *codes), header, restart_at,
                jpeg_loops().pack(found, multiple, lowest, layout, table_bytes(layout)),
            )  # fmt: skip
    raise NoEntryPoints("more rows than a record holds")


def _sizes(bits: int) -> set[int]:
    """Return the numbers of bits that DC values have. Raises NoEntryPoints if they are out of range."""
    if bits >> DC_SIZES:
        raise NoEntryPoints("a DC value out of range")
    return {size for size in range(DC_SIZES) if bits >> size & 1}
