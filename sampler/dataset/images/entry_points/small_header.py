"""The headers of a small JPEG that shows a part of a large one: its tables, and a place for size and restart interval.

The first DC values of a row are coded as differences from others than in the file. Optimised tables may lack a code for
them. A canonical code keeps its values if more codes of 16 bits are added behind the others.
"""

from collections.abc import Mapping
from struct import pack

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.entry_points.headers import (
    AC,
    APP0,
    APP14,
    FULL,
    HUFFMAN_TABLES,
    MAX_CODE,
    QUANTIZATION_TABLES,
    RESTART_INTERVAL,
    JpegHeaders,
    code_space,
)
from sampler.dataset.images.jpeg import START_OF_SCAN

DC_SIZES = 12
"""Numbers of bits that a DC difference may have: 0–11."""

SIZE_AFTER = 7
"""Bytes from the restart interval to the height: interval, marker, length and precision."""


def with_sizes(table: bytes, needed: int) -> bytes:
    """Return a Huffman table for DC values with a code for every size that is needed.

    needed: a bit for each size. Raises NoEntryPoints if there is no room for another code.
    """
    for symbol in table[MAX_CODE:]:
        needed &= ~(1 << symbol)
    if needed == 0:
        return table
    added = bytes(size for size in range(DC_SIZES) if needed >> size & 1)
    longest = table[MAX_CODE - 1] + len(added)
    # The code of 16 ones stays unused; and a count is a byte.
    if code_space(table) + len(added) >= FULL or longest > 255:
        raise NoEntryPoints("no room in a Huffman table for the DC values of entry points")
    return table[: MAX_CODE - 1] + bytes([longest]) + table[MAX_CODE:] + added


def dc_codes(table: bytes) -> list[int]:
    """Return the code of each size of DC values as length · 2¹⁶ + code; 0 if it has none."""
    codes, code, at = [0] * DC_SIZES, 0, MAX_CODE
    for length, count in enumerate(table[:MAX_CODE], 1):
        code *= 2
        if count:
            for symbol in table[at : at + count]:
                if symbol < DC_SIZES:
                    codes[symbol] = length << 16 | code
                code += 1
            at += count
    return codes


def small_header(headers: JpegHeaders, dc: Mapping[int, bytes]) -> tuple[bytes, int]:
    """Return the headers of a small JPEG, and the place of its restart interval in them.

    Height and width follow `SIZE_AFTER` bytes later. All three are 0. dc: Huffman tables for DC values, by number.
    """
    first = b"\xff\xd8" + _segment(APP0, headers.jfif + b"\0\0" if headers.jfif else b"")
    first += _segment(APP14, headers.adobe)
    frame = headers.frame_content
    quantization = {one.quantization: headers.quantization[one.quantization] for one in headers.components}
    huffman = [bytes([number]) + table for number, table in dc.items()]
    huffman += [
        bytes([AC + number]) + headers.huffman[AC + number] for number in {one.ac for one in headers.components}
    ]
    return b"".join((
        first,
        _segment(RESTART_INTERVAL, b"\0\0"),
        _segment(headers.frame, frame[:1] + b"\0\0\0\0" + frame[5:]),
        _segment(QUANTIZATION_TABLES, b"".join(quantization.values())),
        _segment(HUFFMAN_TABLES, b"".join(huffman)),
        _segment(START_OF_SCAN, headers.scan_content),
    )), len(first) + 4  # fmt: skip


def _segment(marker: int, content: bytes) -> bytes:
    return pack(">BBH", 0xFF, marker, 2 + len(content)) + content if content else b""
