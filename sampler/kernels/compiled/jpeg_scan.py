"""The data of a JPEG scan, compiled: one pass that finds where each segment of a row of MCUs begins.

Nothing in a file is trusted. Whatever its data holds, only memory inside the arrays is read and written.
"""

from collections.abc import Sequence

import numpy as np

from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_blocks import BAD_END, BAD_RESTART, PADDING, find_blocks
from sampler.kernels.compiled.jpeg_lookup import INDEX_BITS, MAX_CODE, MAX_DC, Shorts, Symbols, fill_lookups, symbol_of
from sampler.kernels.compiled.jpeg_words import (
    Bytes,
    Integers,
    address,
    has_marker_byte,
    load_word,
    store_word,
)

END_OF_IMAGE = 0xD9
FIELDS = 6
"""Numbers for each segment."""

Grid = tuple[int, int, int, int]
"""Rows and columns of MCUs, MCUs per segment, and MCUs per restart interval."""


@njit(nogil=True)
def _unstuff(
    data: Bytes, source: int, start: int, bits: Bytes, target: int, removed: Integers, bounds: Integers
) -> Grid:
    """Copy the data of a scan without stuffed zeros and restart markers.

    data, source: the file and its address. bits, target: memory for the copy and its address. removed: gets for each
    byte left out how many bytes of the copy come before it. bounds: gets where in the copy each restart interval ends,
    except the last.

    Returns:
        The length of the copy, the number of bytes left out, the number of restart markers, and the position of the
        marker that ends the data. A restart marker out of order counts as such an end.
    """
    at, size, gone, restarts, stop = start, 0, 0, 0, data.shape[0]
    while at < stop:
        if at + 8 <= stop:
            word = load_word(source + at)
            if not has_marker_byte(word):
                store_word(target + size, word)
                at, size = at + 8, size + 8
                continue
        if data[at] != 0xFF:
            bits[size] = data[at]
            at, size = at + 1, size + 1
            continue
        marker = data[at + 1] if at + 1 < stop else END_OF_IMAGE
        if marker == 0:
            bits[size] = 0xFF
            size += 1
            removed[gone] = size
            gone += 1
        elif restarts < bounds.shape[0] and marker == 0xD0 + (restarts & 7):
            bounds[restarts] = removed[gone] = removed[gone + 1] = size
            restarts, gone = restarts + 1, gone + 2
        else:
            break
        at += 2
    return size, gone, restarts, at


@njit(nogil=True)
def _difference(word: np.uint64, size: int) -> np.int64:
    """Return the DC difference of `size` bits that a word begins with."""
    value = np.int64((word >> np.uint64(1)) >> np.uint64(63 - size))
    negative = (value << 1 >> size) - 1  # −1 if the highest bit is 0; a branch would be mispredicted half of the time
    return value + (negative & (1 - (1 << size)))


@njit(nogil=True)
def _read_values(
    bits: int,
    starts: Integers,
    blocks: Integers,
    lookup: Symbols,
    values: Integers,
    points: Integers,
    place: tuple[int, int, int],
    step: int,
) -> None:
    """Add up the DC values of some MCUs, and fill the values and lengths of the segments that begin with them.

    bits: address of the data. starts: where their blocks begin. values: (3,), those of the blocks before. place: row,
    column and number of the MCUs.
    """
    row, first, count = place
    for n in range(count):
        segment = (first + n) // step if (first + n) % step == 0 else -1
        began = starts[n * blocks.shape[0]]
        for block in range(blocks.shape[0]):
            position, part = starts[n * blocks.shape[0] + block], blocks[block, 0]
            word = load_word(bits + (position >> 3)) << np.uint64(position & 7)
            found = symbol_of(lookup, blocks[block, 1], word)
            values[part] += _difference(word << np.uint64(found & 31), found >> 5)
            if segment >= 0 and (block == 0 or blocks[block - 1, 0] != part):
                points[row, segment, 1 + part] = values[part]
                if block:
                    points[row, segment, 3 + part] = position - began
                began = position


@njit(nogil=True)
def _read_rows(
    bits: int,
    removed: Integers,
    bounds: Integers,
    blocks: Integers,
    addresses: tuple[int, int, int, Symbols],
    grid: Grid,
    starts: Integers,
    points: Integers,
) -> int:
    """Fill the `points` of a scan; return what is wrong with the data, or 0. See `scan`.

    bits: address of the data without `removed` bytes. bounds: where each restart interval ends in it. addresses: of
    blocks, of their entries, and of starts; the lookup. starts: memory for the positions of the blocks of a row of
    MCUs, or of an interval if a row has several.
    """
    rows, columns, step, restart = grid
    known, entries, places, lookup = addresses
    values, position, passed, interval, count = np.zeros(3, np.int64), 0, 0, 0, min(restart, columns)
    for row in range(rows):
        for column in range(0, columns, count):
            if (row * columns + column) % restart == 0 and row + column:
                if not 0 <= 8 * bounds[interval] - position < 8:
                    return BAD_RESTART
                position, interval = 8 * bounds[interval], interval + 1
                values[:] = 0
            size = blocks.shape[0]
            position = find_blocks(
                bits, position, bounds[interval], (known, size), entries, lookup, places, count * size
            )
            if position < 0:
                return int(position)
            _read_values(bits, starts, blocks, lookup, values, points, (row, column, count), step)
            for n in range(-column % step, count, step):
                passed = _passed(removed, passed, starts[n * size] >> 3)
                points[row, (column + n) // step, 0] = starts[n * size] + 8 * passed
        passed = _passed(removed, passed, (position - 1) >> 3)
        points[row, points.shape[1] - 1, 0] = position + 8 * passed
    return 0 if 0 <= 8 * bounds[interval] - position < 8 else BAD_END


@njit(nogil=True)
def _passed(removed: Integers, passed: int, byte: int) -> int:
    """Return how many bytes were left out before a byte of the copied data. passed: an earlier result."""
    while passed < removed.shape[0] and removed[passed] <= byte:
        passed += 1
    return passed


@njit(nogil=True)
def _summarize(points: Integers, summary: Integers) -> None:
    """Fill the (9,) summary of (rows, segments + 1, 6) points. See `scan`."""
    summary[:] = 0
    summary[2] = points[0, 0, 1]
    for row in range(points.shape[0]):
        last = points.shape[1] - 1
        summary[0] = max(summary[0], points[row, 0, 0])
        summary[1] = max(summary[1], points[row, last, 0] - points[row, 0, 0])
        for segment in range(last):
            for part in range(3):
                value = points[row, segment, 1 + part]
                summary[2], summary[3] = min(summary[2], value), max(summary[3], value)
                size, rest = 0, abs(value)
                while rest:
                    size, rest = size + 1, rest >> 1
                summary[6 + part] |= 1 << min(size, MAX_DC + 1)
            for gap in range(2):
                summary[4 + gap] = max(summary[4 + gap], points[row, segment, 4 + gap])


@njit(nogil=True)
def _scan(
    data: Bytes,
    start: int,
    grid: Grid,
    numbers: tuple[Integers, Integers, Integers, Integers, Integers, Integers, Integers, Integers, Integers],
    tables: tuple[Bytes, Shorts, Shorts, Bytes],
    points: Integers,
) -> int:
    """Do the work of `scan`, and return its first result."""
    blocks, order, pairs, entries, codes, removed, bounds, starts, summary = numbers
    huffman, symbols, lookups, bits = tables
    lookup = address(symbols), address(codes), address(huffman)
    fill_lookups(huffman, pairs, codes, symbols, lookup, lookups[0], lookups[1])
    for n in range(order.shape[0]):
        entries[n, 0] = address(lookups[1, order[n]])
        entries[n, 1] = address(lookups[0, order[n]])
    last = bounds.shape[0] - 1
    size, gone, restarts, stop = _unstuff(data, address(data), start, bits, address(bits), removed, bounds[:last])
    if restarts != last:
        return BAD_RESTART
    if stop + 2 > data.shape[0] or data[stop + 1] != END_OF_IMAGE:
        return BAD_END
    bits[size : size + PADDING] = 0
    bounds[last] = size
    around = address(blocks), address(entries), address(starts), lookup
    fault = _read_rows(address(bits), removed[:gone], bounds, blocks, around, grid, starts, points)
    if fault:
        return int(fault)
    _summarize(points, summary)
    return int(stop)


def scan(
    data: Bytes, start: int, blocks: Sequence[tuple[int, int, int]], tables: Bytes, grid: Grid
) -> tuple[int, Integers, Integers]:
    """Find where the segments of a scan begin.

    Args:
        data: The whole file, read-only.
        start: Where the data of the scan begins.
        blocks: Of each block of an MCU: its component (0–2), and the rows of its DC table and of its other table in
            `tables`.
        tables: (t, 272), see `sampler.kernels.compiled.jpeg_lookup`.
        grid: Rows and columns of MCUs, MCUs per segment, and MCUs per restart interval: all MCUs if there is one.
            An interval is a multiple of a row, or a row of an interval.

    Returns:
        The position of the marker behind the data, or what is wrong with the data (negative).

        (rows, segments + 1, 6) int64: the position of the segment's first bit, counted from the beginning of the scan;
        the DC value of the first block of each component; how many bits of the first MCU come before the second
        component, and from there before the third. The last one of each row has the position behind its last bit.

        (9,) int64: the largest position and length of a row, the least and the largest DC value, the largest of the
        two numbers of bits, and for each component a bit for each length that its DC values have; bit 12 for all
        lengths over 11.
    """
    rows, columns, step, restart = grid
    points, summary = np.zeros((rows, -(-columns // step) + 1, FIELDS), np.int64), np.empty(9, np.int64)
    kinds = [block[1:] for block in blocks]
    pairs = list(dict.fromkeys(kinds))
    order = [pairs.index(kind) for kind in kinds]
    length, count = data.shape[0] - start, tables.shape[0]
    numbers = (
        np.array(blocks, np.int64),
        np.array([*order, order[0]], np.int64),
        np.array(pairs, np.int64),
        np.empty((len(blocks) + 1, 2), np.int64),
        np.empty((count, MAX_CODE + 1, 2), np.int64),
        np.empty(length, np.int64),
        np.empty(1 + (rows * columns - 1) // restart, np.int64),
        np.empty(min(restart, columns) * len(blocks) + 1, np.int64),
        summary,
    )
    lookups = np.empty((2, len(pairs), 1 << INDEX_BITS), np.uint16)
    memory = tables, np.empty((count, 1 << INDEX_BITS), np.uint16), lookups, np.empty(length + PADDING, np.uint8)
    return int(_scan(data, start, grid, numbers, memory, points)), points, summary


KERNELS = (_scan,)
