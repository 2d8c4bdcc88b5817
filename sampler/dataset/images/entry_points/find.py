"""Finding the entry points of a file: one pass over its data."""

from struct import pack

import numpy as np
from numpy.typing import NDArray

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.headers import JpegHeaders, read_headers
from sampler.dataset.images.entry_points.points import RECORD_BYTES, EntryPoints, table_bytes
from sampler.dataset.images.entry_points.small_header import DC_SIZES, dc_codes, extended_tables, small_header
from sampler.kernels.jpeg_loops import Integers, jpeg_loops

SEGMENT_PIXELS = 32
"""Width of the shortest segments."""

_MAX_FILE = 1 << 28
_TABLE = 272
_POSITION, _VALUES, _LENGTHS = 0, slice(1, 4), (4, 5)
"""Columns of what the scan finds about a segment."""

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
    grid = rows, columns, min(step, columns), headers.restart
    stop, found = jpeg_loops().scan(np.frombuffer(data, np.uint8), headers.start, blocks, tables, grid)
    if stop < 0:
        raise NoEntryPoints(_FAULTS[stop])
    return _fitting(headers, len(data), stop, grid[2], within, found)


def _blocks(headers: JpegHeaders) -> tuple[Integers, NDArray[np.uint8]]:
    """Return what the scan needs to know about the blocks of an MCU, and the Huffman tables. See `JpegLoops.scan`."""
    rows = {key: row for row, key in enumerate(headers.huffman)}
    tables = np.zeros((len(rows), _TABLE), np.uint8)
    for key, row in rows.items():
        tables[row, : len(headers.huffman[key])] = np.frombuffer(headers.huffman[key], np.uint8)
    single = len(headers.components) == 1
    blocks = [
        (number, rows[one.dc], rows[16 + one.ac], block == 0)
        for number, one in enumerate(headers.components)
        for block in range(1 if single else one.horizontal * one.vertical)
    ]
    return np.array(blocks, np.int64), tables


def _fitting(headers: JpegHeaders, file_size: int, stop: int, step: int, within: int, found: Integers) -> EntryPoints:
    """Return the entry points of the shortest segments whose record is small enough."""
    count = len(headers.components)
    values = found[:, :-1, _VALUES][..., :count]
    sizes = _value_sizes(values)
    tables = extended_tables(headers, sizes)
    codes = [code for one in headers.components for code in dc_codes(tables[one.dc])]
    codes += [0] * (DC_SIZES * (3 - count))
    header, restart_at = small_header(headers, tables)
    lowest = int(values.min())
    widths = (
        _width(found[-1, 0, _POSITION]),
        _width((found[:, -1, _POSITION] - found[:, 0, _POSITION]).max()),
        _width(values.max() - lowest),
        _width(found[..., _LENGTHS[0]].max()),
        _width(found[..., _LENGTHS[1]].max()),
    )
    raw_codes = pack(f"<{len(codes)}I", *codes)
    fixed = len(header) + len(raw_codes) + 64
    most, segments = found.shape[1] - 1, found.shape[1] - 1
    multiple = 1
    while segments > 1 and fixed + table_bytes((len(found), segments, count, *widths)) > RECORD_BYTES:
        multiple += 1
        segments = -(-most // multiple)
    if fixed + table_bytes((len(found), segments, count, *widths)) > RECORD_BYTES:
        raise NoEntryPoints("more rows than a record holds")
    kept = np.append(found[:, :-1:multiple], found[:, -1:], axis=1)
    return EntryPoints(
        headers.size, headers.mcu, count, step * multiple, within, file_size, (headers.start, stop), widths, lowest,
        raw_codes, header, restart_at, _table(kept, count, lowest, widths),
    )  # fmt: skip


def _value_sizes(values: Integers) -> list[set[int]]:
    """Return how many bits the DC values of each component have. Raises NoEntryPoints if they are out of range."""
    if np.abs(values).max() >= 1 << (DC_SIZES - 1):
        raise NoEntryPoints("a DC value out of range")
    return [set(np.frexp(np.unique(np.abs(values[..., part])))[1].tolist()) for part in range(values.shape[-1])]


def _width(largest: int) -> int:
    return int(largest).bit_length()


def _table(found: Integers, components: int, lowest: int, widths: tuple[int, ...]) -> bytes:
    """Return the numbers of `EntryPoints.table`."""
    row, offset, value, *lengths = widths
    starts = found[:, :1, _POSITION]
    numbers = found.copy()
    numbers[..., _POSITION] -= starts
    numbers[..., _VALUES] -= lowest
    parts = [_bits(numbers[:, :-1, _POSITION], offset)]
    parts += [_bits(numbers[:, :-1, 1 + component], value) for component in range(components)]
    parts += [_bits(numbers[:, :-1, column], width) for column, width in zip(_LENGTHS, lengths, strict=True)]
    segments = np.concatenate(parts, axis=2).reshape(len(found), -1)
    ends = _bits(numbers[:, -1:, _POSITION], offset)[:, 0]
    bits = np.concatenate([_bits(starts, row)[:, 0], segments, ends], axis=1)
    return np.packbits(bits).tobytes() + bytes(8)


def _bits(numbers: Integers, width: int) -> NDArray[np.uint8]:
    """Return (..., width) bits of (...) numbers, the highest first."""
    return (numbers[..., None] >> np.arange(width - 1, -1, -1) & 1).astype(np.uint8)
