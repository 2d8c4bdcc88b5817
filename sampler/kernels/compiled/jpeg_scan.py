"""The data of a JPEG scan, compiled: one pass that finds where each segment begins, without decoding coefficients.

Nothing in a file is trusted. Whatever its data holds, only memory inside the arrays is read and written: a block has at
most 64 symbols of at most 31 bits, so that with `PADDING` it is enough to check the position after each block.
"""

import numpy as np

from sampler.kernels.compiled.intrinsics import address_of, store
from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_lookup import (
    ADVANCE,
    BITS,
    END,
    FIRST_ADVANCE,
    FIRST_BITS,
    FIRST_END,
    INDEX_BITS,
    MAX_CODE,
    Addresses,
    Lookup,
    Symbols,
    entry_of,
    fill_lookups,
    long_entry_of,
    symbol_of,
)
from sampler.kernels.compiled.jpeg_words import LONG, Bytes, Integers, has_marker_byte, load_long, load_word, store_word

PADDING = 2048
"""Bytes behind the data, of which one MCU may read: six blocks of 64 symbols."""

BAD_CODE, BAD_RUN, BAD_DC, BAD_RESTART, BAD_END = -1, -2, -3, -4, -5
"""What is wrong with the data: a code that no table has, more than 64 coefficients in a block, a DC difference of more
than 11 bits, restart markers in other places than expected, data that ends too early or too late."""

COEFFICIENTS, MAX_SIZE, LONGEST = 64, 11, 31
"""Coefficients of a block, bits of the largest DC difference, bits of the longest code with the value behind it."""

END_OF_IMAGE = 0xD9
FIELDS = 6
"""Numbers for each segment."""

Grid = tuple[int, int, int, int]
"""Rows and columns of MCUs, MCUs per segment, and MCUs per restart interval or 0."""


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
def _refill(bits: int, at: int, word: np.uint64, held: int) -> tuple[int, np.uint64, int]:
    """Fill a word whose highest `held` bits are valid, so that at least 56 are. at: position of the next byte."""
    word |= load_word(bits + at) >> np.uint64(held)
    return at + ((63 - held) >> 3), word, held | 56


@njit(nogil=True)
def _skip_coefficients(
    bits: int, at: int, word: np.uint64, held: int, lookup: Addresses, n: int
) -> tuple[int, np.uint64, int, int]:
    """Read the coefficients of a block after the DC value, with table n.

    Returns the state of the bit stream as `_refill` does, and what is wrong with the data, or 0.
    """
    k = 1
    while k < COEFFICIENTS:
        if held < LONGEST:
            at, word, held = _refill(bits, at, word, held)
        entry = entry_of(lookup, n, word)
        after = k + ((entry >> ADVANCE) & 0xFF)
        if entry != 0 and after < COEFFICIENTS:  # all symbols belong to this block
            used, ends = entry & BITS, entry & END
        else:
            entry = entry if entry else long_entry_of(lookup, n, word)
            if entry == 0:
                return at, word, held, BAD_CODE
            used, ends = (entry >> FIRST_BITS) & 31, entry & FIRST_END
            after = k + ((entry >> FIRST_ADVANCE) & 31)
        word <<= np.uint64(used)
        held -= used
        if ends:
            return at, word, held, 0
        k = after
    return at, word, held, 0 if k == COEFFICIENTS else BAD_RUN


@njit(nogil=True)
def _difference(word: np.uint64, size: int) -> np.int64:
    """Return the DC difference of `size` bits that a word begins with."""
    value = np.int64((word >> np.uint64(1)) >> np.uint64(63 - size))
    return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


@njit(nogil=True)
def _read_mcu(
    bits: int, stream: tuple[int, np.uint64, int], blocks: tuple[int, int], lookup: Addresses, dc: int, point: int
) -> tuple[int, np.uint64, int, int]:
    """Read the blocks of an MCU and update the DC values of the components.

    blocks: address of the (n, 4) numbers about blocks, and n. dc: address of the DC values. point: address of the
    fields of the segment that begins here; 0 for none.

    Returns the state of the bit stream as `_refill` does, and what is wrong with the data, or 0.
    """
    at, word, held = stream
    began = 8 * at - held
    for n in range(blocks[1]):
        block = blocks[0] + 4 * LONG * n
        part = LONG * load_long(block)
        at, word, held = _refill(bits, at, word, held)
        found = symbol_of(lookup, load_long(block + LONG), word)
        length, size = found & 31, found >> 5
        if found < 0 or size > MAX_SIZE:
            return at, word, held, BAD_DC
        value = load_long(dc + part) + _difference(word << np.uint64(length), size)
        store(dc + part, value)
        if point != 0 and load_long(block + 3 * LONG):
            store(point + LONG + part, value)
            if part > 0:
                store(point + 3 * LONG + part, 8 * at - held - began)
                began = 8 * at - held
        word <<= np.uint64(length + size)
        held -= length + size
        at, word, held, fault = _skip_coefficients(bits, at, word, held, lookup, load_long(block + 2 * LONG))
        if fault:
            return at, word, held, fault
    return at, word, held, 0


@njit(nogil=True)
def _read_rows(
    bits: int, bounds: Integers, removed: Integers, blocks: tuple[int, int], lookup: Addresses, grid: Grid, dc: int,
    points: Integers, first: int,
) -> int:  # fmt: skip
    """Fill `points`, of which `first` is the address, and return what is wrong with the data, or 0. See `scan`.

    bits: address of the data without `removed` bytes, and padding. bounds: where each restart interval ends in it.
    """
    rows, columns, step, restart = grid
    at, word, held, passed, interval, left = 0, np.uint64(0), 0, 0, 0, restart
    fault: int = 0
    for row in range(rows):
        for column in range(columns):
            if restart > 0 and left == 0:
                if not 0 <= 8 * (bounds[interval] - at) + held < 8:
                    return BAD_RESTART
                at, word, held, interval, left = bounds[interval], np.uint64(0), 0, interval + 1, restart
                for n in range(3):
                    store(dc + LONG * n, np.int64(0))
            left -= 1
            point = 0
            if column % step == 0:
                passed = _passed(removed, passed, (8 * at - held) >> 3)
                points[row, column // step, 0] = 8 * (at + passed) - held
                point = first + LONG * FIELDS * (row * points.shape[1] + column // step)
            at, word, held, fault = _read_mcu(bits, (at, word, held), blocks, lookup, dc, point)
            if fault:
                return fault
            if at - bounds[interval] > held >> 3:
                return BAD_END
        passed = _passed(removed, passed, (8 * at - held - 1) >> 3)
        points[row, points.shape[1] - 1, 0] = 8 * (at + passed) - held
    return 0 if 0 <= 8 * (bounds[interval] - at) + held < 8 else BAD_END


@njit(nogil=True)
def _passed(removed: Integers, passed: int, byte: int) -> int:
    """Return how many bytes were left out before a byte of the copied data. passed: an earlier result."""
    while passed < removed.shape[0] and removed[passed] <= byte:
        passed += 1
    return passed


@njit(nogil=True)
def _scan(
    data: Bytes,
    start: int,
    grid: Grid,
    memory: tuple[Bytes, Integers, Integers, Lookup, Symbols, Integers, Bytes, Integers],
    addresses: tuple[int, int, int, int, Addresses, tuple[int, int]],
) -> int:
    """Do the work of `scan`, and return its first result."""
    bits, removed, bounds, entries, symbols, codes, tables, points = memory
    source, target, dc, first, lookup, blocks = addresses
    fill_lookups(tables, entries, symbols, codes)
    last = bounds.shape[0] - 1
    size, gone, restarts, stop = _unstuff(data, source, start, bits, target, removed, bounds[:last])
    if restarts != last:
        return BAD_RESTART
    if stop + 2 > data.shape[0] or data[stop + 1] != END_OF_IMAGE:
        return BAD_END
    bits[size : size + PADDING] = 0
    bounds[last] = size
    fault: int = _read_rows(target, bounds, removed[:gone], blocks, lookup, grid, dc, points, first)
    return fault if fault else stop


def scan(data: Bytes, start: int, blocks: Integers, tables: Bytes, grid: Grid) -> tuple[int, Integers]:
    """Find where the segments of a scan begin.

    Args:
        data: The whole file, read-only.
        start: Where the data of the scan begins.
        blocks: (n, 4), for each block of an MCU: its component (0–2), the rows of its DC and AC tables in `tables`, and
            whether it is the first of its component.
        tables: (t, 272), see `sampler.kernels.compiled.jpeg_lookup`.
        grid: Rows and columns of MCUs, MCUs per segment, and MCUs per restart interval or 0.

    Returns:
        The position of the marker behind the data, or what is wrong with the data (negative). And (rows, segments + 1,
        6) int64: the position of the segment's first bit, counted from the beginning of the scan; the DC value of the
        first block of each component; how many bits of the first MCU come before the second component, and from there
        before the third. The last one of each row has the position behind its last bit.
    """
    rows, columns, step, restart = grid
    points = np.zeros((rows, -(-columns // step) + 1, FIELDS), np.int64)
    length, count = data.shape[0] - start, tables.shape[0]
    bits, removed = np.empty(length + PADDING, np.uint8), np.empty(length, np.int64)
    bounds = np.empty(1 + ((rows * columns - 1) // restart if restart else 0), np.int64)
    entries, symbols = np.empty((count, 1 << INDEX_BITS), np.uint32), np.empty((count, 1 << INDEX_BITS), np.uint16)
    codes, dc = np.empty((count, MAX_CODE + 1, 2), np.int64), np.zeros(3, np.int64)
    lookup = address_of(entries), address_of(symbols), address_of(codes), address_of(tables)
    addresses = address_of(data), address_of(bits), address_of(dc), address_of(points), lookup
    memory = bits, removed, bounds, entries, symbols, codes, tables, points
    return int(_scan(data, start, grid, memory, (*addresses, (address_of(blocks), blocks.shape[0])))), points


KERNELS = (_scan,)
