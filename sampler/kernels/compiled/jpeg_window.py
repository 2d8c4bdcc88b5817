"""Parts of JPEG scans, compiled: the bits of a window, copied out of a file into a small scan.

The first DC values of each row of MCUs are coded again, because they follow other values than in the file; everything
else is copied. libjpeg decodes data without restart markers faster, so there are none unless the file has some: then
the DC values that a row ends with are unknown, and each row becomes a restart interval.
"""

import numpy as np

from sampler.kernels.compiled.intrinsics import store
from sampler.kernels.compiled.jit import njit
from sampler.kernels.compiled.jpeg_table import DC_SIZES, Codes, Layout, field, row_and_segment_bits
from sampler.kernels.compiled.jpeg_words import (
    INT,
    Bytes,
    address,
    has_marker_byte,
    load_byte,
    load_int,
    load_word,
    store_word,
)

FIRST_RESTART, END_OF_IMAGE = 0xD0, 0xD9
"""Second bytes of markers."""

Reader = tuple[int, np.uint64, int]
"""Position of the next byte, a word whose highest bits are those before it that were not used yet, and their number."""

Writer = tuple[int, np.uint64, int]
"""Address of the next byte, a word whose highest bits are those that are not written yet, and their number."""

Values = tuple[np.int64, np.int64, np.int64]
"""A DC value of each component."""

NOTHING = np.uint64(0)


@njit(nogil=True)
def _read(source: int, reader: Reader, stop: int) -> Reader:
    """Fill a reader's word with the bits that follow, at most up to bit `stop` of the file, without stuffed zeros."""
    at, word, held = reader
    last, rest = stop >> 3, stop & 7
    while held <= 56 and at < last:
        byte = load_byte(source + at)
        word |= np.uint64(byte) << np.uint64(56 - held)
        at += 2 if byte == 0xFF else 1
        held += 8
    if held <= 56 and at == last and rest:
        word |= np.uint64(load_byte(source + at) >> (8 - rest)) << np.uint64(64 - held - rest)
        at += 1
        held += rest
    return at, word, held


@njit(nogil=True)
def _put_bytes(target: int, word: np.uint64, count: int) -> int:
    """Write the first bytes of a word, with zeros stuffed in; return the address behind them."""
    for _ in range(count):
        byte = np.uint8(word >> np.uint64(56))
        word <<= np.uint64(8)
        store(target, byte)
        target += 1
        if byte == 0xFF:
            store(target, np.uint8(0))
            target += 1
    return target


@njit(nogil=True)
def _put_word(target: int, word: np.uint64) -> int:
    """Write eight bytes, with zeros stuffed in; return the address behind them."""
    after: int = target + 8
    if has_marker_byte(word):
        after = _put_bytes(target, word, 8)
    else:
        store_word(target, word)
    return after


@njit(nogil=True)
def _put(writer: Writer, bits: np.uint64, count: int) -> Writer:
    """Write `count` bits, 1 to 64, the lowest ones of a word whose others are 0."""
    target, word, held = writer
    total = held + count
    if total < 64:
        return target, word | bits << np.uint64(64 - total), total
    over = total - 64
    target = _put_word(target, word | bits >> np.uint64(over))
    return target, (bits << np.uint64(1)) << np.uint64(63 - over), over


@njit(nogil=True)
def _copy_bits(source: int, reader: Reader, writer: Writer, stop: int, count: int) -> tuple[Reader, Writer]:
    """Copy `count` bits, or as many as there are up to bit `stop` of the file."""
    while count > 0:
        at, word, held = _read(source, reader, stop)
        part = min(count, held)
        if part == 0:
            break
        writer = _put(writer, word >> np.uint64(64 - part), part)
        reader = at, (word << np.uint64(part - 1)) << np.uint64(1), held - part
        count -= part
    return reader, writer


@njit(nogil=True)
def _copy_rest(source: int, reader: Reader, writer: Writer, stop: int) -> Writer:
    """Copy all bits up to bit `stop` of the file."""
    at, bits, count = reader
    if count:
        writer = _put(writer, bits >> np.uint64(64 - count), count)
    target, word, held = writer
    while at + 8 <= stop >> 3:
        bits = load_word(source + at)
        if not has_marker_byte(bits):
            target = _put_word(target, word | bits >> np.uint64(held))
            word = (bits << np.uint64(1)) << np.uint64(63 - held)
            at += 8
            continue
        at, bits, count = _read(source, (at, NOTHING, 0), stop)
        target, word, held = _put((target, word, held), bits >> np.uint64(64 - count), count)
    _, writer = _copy_bits(source, (at, NOTHING, 0), (target, word, held), stop, 128)
    return writer


@njit(nogil=True)
def _dc_difference(codes: int, word: np.uint64) -> tuple[np.int64, int]:
    """Return the DC difference that a word begins with, and how many bits code and value have; 0 if there is none."""
    for size in range(DC_SIZES):
        code = load_int(codes + INT * size)
        length: int = code >> 16
        if length and np.int64(word >> np.uint64(64 - length)) == code & 0xFFFF:
            if size == 0:
                return np.int64(0), length
            value = np.int64((word << np.uint64(length)) >> np.uint64(64 - size))
            return value if value >> (size - 1) else value - (1 << size) + 1, length + size
    return np.int64(0), 0


@njit(nogil=True)
def _put_dc(writer: Writer, codes: int, difference: int) -> tuple[Writer, bool]:
    """Write a DC difference; also return whether it has a code."""
    size, rest = 0, abs(difference)
    while rest and size < DC_SIZES:
        size, rest = size + 1, rest >> 1
    code = load_int(codes + INT * size) if size < DC_SIZES and not rest else 0
    if code == 0:
        return writer, False
    bits = difference if difference >= 0 else difference + (1 << size) - 1
    return _put(writer, np.uint64((code & 0xFFFF) << size | bits), (code >> 16) + size), True


@njit(nogil=True)
def _reader_at(source: int, start: int, stop: int) -> Reader:
    """Return a reader of the bits of the file from bit `start` on."""
    at, word, held = _read(source, (start >> 3, NOTHING, 0), stop)
    return at, word << np.uint64(start & 7), held - (start & 7)


@njit(nogil=True)
def _copy_row(
    source: int,
    writer: Writer,
    table: int,
    place: int,
    layout: Layout,
    codes: int,
    lowest: int,
    before: Values,
    start: int,
    stop: int,
) -> tuple[Writer, bool]:
    """Copy the bits [start, stop) of the file; also return whether they are as the table says.

    table, place: address of the table of segments, and the bit where the numbers about the first MCU begin. before: DC
    values that come before it in the small scan.
    """
    reader = _reader_at(source, start, stop)
    gaps = place + layout[2] * layout[5]
    for part in range(layout[2]):
        reader = _read(source, reader, stop)
        own = codes + INT * DC_SIZES * part
        _, used = _dc_difference(own, reader[1])
        if used == 0 or used > reader[2]:
            return writer, False
        reader = reader[0], reader[1] << np.uint64(used), reader[2] - used
        value = lowest + field(table, place + part * layout[5], layout[5])
        writer, coded = _put_dc(writer, own, value - before[part])
        if not coded:
            return writer, False
        if part + 1 < layout[2]:
            gap = field(table, gaps + part * layout[6], layout[6 + part])
            reader, writer = _copy_bits(source, reader, writer, stop, gap - used)
    return _copy_rest(source, reader, writer, stop), True


@njit(nogil=True)
def _values_before(
    source: int, table: int, place: int, layout: Layout, codes: int, lowest: int, start: int, stop: int
) -> Values:
    """Return the DC values before the MCU at bit `start` of the file: its own, without the differences in the file.

    table, place: as for `_copy_row`. stop: bit where the data of the scan ends.
    """
    first = second = third = np.int64(0)
    gaps = place + layout[2] * layout[5]
    reader = _reader_at(source, start, stop)
    for part in range(layout[2]):
        reader = _read(source, reader, stop)
        difference, _ = _dc_difference(codes + INT * DC_SIZES * part, reader[1])
        value = lowest + field(table, place + part * layout[5], layout[5]) - difference
        if part == 0:
            first = value
        elif part == 1:
            second = value
        else:
            third = value
        if part + 1 < layout[2]:
            reader = _skip_bits(source, reader, stop, field(table, gaps + part * layout[6], layout[6 + part]))
    return first, second, third


@njit(nogil=True)
def _skip_bits(source: int, reader: Reader, stop: int, count: int) -> Reader:
    """Skip `count` bits, or as many as there are up to bit `stop` of the file."""
    while count > 0:
        at, word, held = _read(source, reader, stop)
        part = min(count, held)
        if part == 0:
            break
        reader = at, (word << np.uint64(part - 1)) << np.uint64(1), held - part
        count -= part
    return reader


@njit(nogil=True)
def _finish(writer: Writer) -> int:
    """Write what is not written yet, and ones up to the next byte; return the address behind it."""
    target, word, held = writer
    word |= (~NOTHING >> np.uint64(held)) if held & 7 else NOTHING
    after: int = _put_bytes(target, word, (held + 7) >> 3)
    return after


@njit(nogil=True)
def _copy_intervals(source: int, target: int, first: int, last: int, restarts: int) -> tuple[int, int]:
    """Copy the bytes [first, last) of the file, with restart markers in a new order.

    restarts: how many were written before. Returns the address behind the copy, and the number of markers by now.
    """
    at = first
    while at < last:
        if at + 8 <= last:
            word = load_word(source + at)
            if not has_marker_byte(word):
                store_word(target, word)
                at, target = at + 8, target + 8
                continue
        byte = load_byte(source + at)
        store(target, np.uint8(byte))
        at, target = at + 1, target + 1
        if byte == 0xFF and at < last:
            marker = load_byte(source + at)
            if marker:
                marker = FIRST_RESTART + (restarts & 7)
                restarts += 1
            store(target, np.uint8(marker))
            at, target = at + 1, target + 1
    return target, restarts


@njit(nogil=True)
def _put_restart(target: int, restarts: int) -> int:
    """Write a restart marker; return the address behind it."""
    store(target, np.uint8(0xFF))
    store(target + 1, np.uint8(FIRST_RESTART + (restarts & 7)))
    return target + 2


@njit(nogil=True)
def _copy_window(
    data: Bytes,
    out: Bytes,
    header: int,
    table: Bytes,
    codes: Codes,
    layout: Layout,
    part: tuple[int, int, int, int],
    scan: tuple[int, int],
    lowest: int,
    restart: int,
) -> int:
    """Write a window's data behind `header` bytes of `out`; return its end, or 0 if table and file do not fit."""
    source, numbers, known = address(data), address(table), address(codes)
    row_bits, segment_bits = row_and_segment_bits(layout)
    begin, end = 8 * scan[0], 8 * scan[1]
    writer: Writer = (address(out) + header, NOTHING, 0)
    before: Values = (np.int64(0), np.int64(0), np.int64(0))
    copied, restarts = begin, 0
    for row in range(part[0], part[1]):
        place = row * row_bits + layout[3]
        origin = begin + field(numbers, row * row_bits, layout[3])
        start = origin + field(numbers, place + part[2] * segment_bits, layout[4])
        stop = origin + field(numbers, place + part[3] * segment_bits, layout[4])
        if not copied <= start < stop <= end:
            return 0
        copied = stop
        if restart > 0:
            # A segment ends with a restart marker, a row without one.
            last = (stop + 7) >> 3 if part[3] == layout[1] else (stop >> 3) - 2
            last += 1 if last > 0 and load_byte(source + last - 1) == 0xFF else 0
            target, restarts = _copy_intervals(source, writer[0], start >> 3, last, restarts)
            writer = target, NOTHING, 0
        else:
            first = place + part[2] * segment_bits + layout[4]
            writer, fits = _copy_row(source, writer, numbers, first, layout, known, lowest, before, start, stop)
            if not fits:
                return 0
        if row + 1 == part[1]:
            break
        if restart:
            writer = _put_restart(_finish(writer), restarts), NOTHING, 0
            restarts += 1
        else:  # the next MCU of the file tells the DC values before it
            after, segment = (row, part[3]) if part[3] < layout[1] else (row + 1, 0)
            following = after * row_bits + layout[3] + segment * segment_bits
            at = begin + field(numbers, after * row_bits, layout[3]) + field(numbers, following, layout[4])
            if at > end:
                return 0
            before = _values_before(source, numbers, following + layout[4], layout, known, lowest, at, end)
    target = _finish(writer)
    store(target, np.uint8(0xFF))
    store(target + 1, np.uint8(END_OF_IMAGE))
    return int(target + 2 - address(out))


def copy_window(
    data: Bytes,
    table: Bytes,
    codes: Codes,
    layout: Layout,
    part: tuple[int, int, int, int],
    scan: tuple[int, int],
    lowest: int,
    restart: int,
    header: bytes,
) -> bytes | None:
    """Return a file that shows a part of an image; None if the table of segments and the image do not fit each other.

    Args:
        data: The file.
        table: See `sampler.kernels.compiled.jpeg_table`.
        codes: See `sampler.kernels.compiled.jpeg_table.is_valid`.
        layout: Of the table.
        part: The first row of MCUs, the one after the last, and the same for segments in a row.
        scan: [start, stop) of the data of the scan.
        lowest: What to add to each DC value in the table.
        restart: MCUs per restart interval if the file has several in a row; they are copied as they are. Negative if
            it has restart markers between rows only, 0 if it has none.
        header: What comes before the data.
    """
    # No byte becomes more than two, and a row has three new DC values and perhaps a marker.
    out = np.empty(len(header) + 2 * (scan[1] - scan[0]) + 32 * (part[1] - part[0] + 1), np.uint8)
    out[: len(header)] = np.frombuffer(header, np.uint8)
    stop = _copy_window(data, out, len(header), table, codes, layout, part, scan, lowest, restart)
    return out[:stop].tobytes() if stop else None


KERNELS = (_copy_window,)
