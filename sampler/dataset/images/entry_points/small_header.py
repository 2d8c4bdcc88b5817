"""The headers of a small JPEG that shows a part of a large one: its tables, and a place for size and restart interval.

The first DC value of a restart interval is coded as it is, while the file codes differences. Optimised tables may lack
a code for it. A canonical code keeps its values if more codes of 16 bits are added behind the others.
"""

from collections.abc import Mapping, Sequence
from struct import pack

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.headers import (
    AC,
    APP0,
    APP14,
    HUFFMAN_TABLES,
    QUANTIZATION_TABLES,
    RESTART_INTERVAL,
    JpegHeaders,
)
from sampler.dataset.images.jpeg import START_OF_SCAN

DC_SIZES = 12
"""Numbers of bits that a DC difference may have: 0–11."""

_LONGEST = 16


def extended_tables(headers: JpegHeaders, sizes: Sequence[set[int]]) -> dict[int, bytes]:
    """Return the file's Huffman tables; those of DC values have a code for every size that is needed.

    sizes: the sizes of DC values of each component that need a code. Raises NoEntryPoints if there is no room.
    """
    tables = {key: headers.huffman[key] for one in headers.components for key in (one.dc, AC + one.ac)}
    for one, needed in zip(headers.components, sizes, strict=False):
        table = tables[one.dc]
        tables[one.dc] = _with_symbols(table, sorted(needed.difference(table[_LONGEST:])))
    return tables


def _with_symbols(table: bytes, symbols: list[int]) -> bytes:
    counts = list(table[:_LONGEST])
    code = sum(count << (_LONGEST - length) for length, count in enumerate(counts, 1))
    counts[-1] += len(symbols)
    # The code of 16 ones stays unused; and a count is a byte.
    if code + len(symbols) >= 1 << _LONGEST or counts[-1] > 255:
        raise NoEntryPoints("no room in a Huffman table for the DC values of entry points")
    return bytes(counts) + table[_LONGEST:] + bytes(symbols)


def dc_codes(table: bytes) -> list[int]:
    """Return the code of each size of DC values as length · 2¹⁶ + code; 0 if it has none."""
    codes, code, at = [0] * DC_SIZES, 0, _LONGEST
    for length, count in enumerate(table[:_LONGEST], 1):
        code *= 2
        for symbol in table[at : at + count]:
            if symbol < DC_SIZES:
                codes[symbol] = length << 16 | code
            code += 1
        at += count
    return codes


def small_header(headers: JpegHeaders, tables: Mapping[int, bytes]) -> tuple[bytes, int]:
    """Return the headers of a small JPEG, and the place of its restart interval in them.

    Height and width follow `SIZE_AFTER` bytes later. All three are 0.
    """
    first = b"\xff\xd8" + _segment(APP0, headers.jfif + b"\0\0" if headers.jfif else b"")
    first += _segment(APP14, headers.adobe)
    used = dict.fromkeys(one.quantization for one in headers.components)
    parts = b"".join(
        bytes([one.id, one.horizontal << 4 | one.vertical, one.quantization]) for one in headers.components
    )
    scan = b"".join(bytes([one.id, one.dc << 4 | one.ac]) for one in headers.components)
    count = len(headers.components)
    rest = (
        _segment(RESTART_INTERVAL, b"\0\0"),
        _segment(headers.frame, pack(">BHHB", 8, 0, 0, count) + parts),
        _segment(QUANTIZATION_TABLES, b"".join(headers.quantization[number] for number in used)),
        _segment(HUFFMAN_TABLES, b"".join(bytes([key]) + table for key, table in tables.items())),
        _segment(START_OF_SCAN, bytes([count]) + scan + b"\0\x3f\0"),
    )
    return first + b"".join(rest), len(first) + 4


SIZE_AFTER = 7
"""Bytes from the restart interval to the height: interval, marker, length and precision."""


def _segment(marker: int, content: bytes) -> bytes:
    return pack(">BBH", 0xFF, marker, 2 + len(content)) + content if content else b""
