"""The headers of baseline JPEG files with a single scan: all that decoding its data needs.

Everything that is unusual raises `NoEntryPoints`. libjpeg reads more than is accepted here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import mul

from sampler.dataset.images.entry_points.errors import NoEntryPoints
from sampler.dataset.images.jpeg import FRAMES, SEQUENTIAL, START_OF_SCAN, segments

SAMPLING = frozenset([(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)])
"""(horizontal, vertical) factors of the first component of a colour image; those of the others are (1, 1)."""

HUFFMAN_TABLES, QUANTIZATION_TABLES, RESTART_INTERVAL, APP0, APP14 = 0xC4, 0xDB, 0xDD, 0xE0, 0xEE
ARITHMETIC = frozenset([0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
PROGRESSIVE = frozenset([0xC2, 0xC6])
_IGNORED = frozenset([*range(0xE0, 0xF0), 0xFE])
_SPECTRUM = b"\0\x3f\0"
"""First and last coefficient and bit positions of a sequential scan."""

AC = 16
"""What the key of a Huffman table for coefficients has more than that of one for DC values."""

MAX_CODE, FULL = 16, 1 << 16
"""Bits of the longest Huffman code, and the number of such codes."""

_SPACE = tuple(FULL >> length for length in range(1, MAX_CODE + 1))
_TABLES = frozenset([*range(4), *range(AC, AC + 4)])

_JFIF, _ADOBE = b"JFIF\0", b"Adobe"
_JFIF_LENGTH, _ADOBE_LENGTH = 14, 12
"""Bytes of the shortest JFIF and Adobe segments. libjpeg ignores shorter ones, whatever they begin with."""

_BEFORE_THUMBNAIL = 12
"""Bytes of a JFIF segment before the size of its thumbnail."""


@dataclass(frozen=True, slots=True)
class Component:
    """A colour component: its id, sampling factors, and the numbers of its tables."""

    id: int
    horizontal: int
    vertical: int
    quantization: int
    dc: int = 0
    ac: int = 0


@dataclass(slots=True)
class JpegHeaders:
    """The headers of a file.

    Attributes:
        frame: Marker of the frame header.
        size: (height, width) in pixels.
        components: One for grey, three for colour.
        quantization: Content of each quantization table, by number, with the byte that has precision and number.
        huffman: Content of each Huffman table, by number, plus `AC` for coefficients: 16 counts, then the symbols.
        restart: MCUs per restart interval; 0 for none.
        frame_content: Content of the frame header.
        scan_content: Content of the scan header.
        jfif: The JFIF segment's content without a thumbnail; empty if there is none. So is `adobe`.
        start: Where the data of the scan begins.
    """

    frame: int = 0
    size: tuple[int, int] = (0, 0)
    components: tuple[Component, ...] = ()
    quantization: dict[int, bytes] = field(default_factory=dict)
    huffman: dict[int, bytes] = field(default_factory=dict)
    restart: int = 0
    frame_content: bytes = b""
    scan_content: bytes = b""
    jfif: bytes = b""
    adobe: bytes = b""
    start: int = 0

    @property
    def mcu(self) -> tuple[int, int]:
        """Height and width of an MCU in pixels. That of a grey image is one block, whatever its sampling factors."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * self.components[0].vertical, 8 * self.components[0].horizontal


def read_headers(data: bytes) -> JpegHeaders:
    """Return the headers of a JPEG. Raises NoEntryPoints unless it is baseline with one scan and complete tables."""
    headers, expected = JpegHeaders(), 2
    for marker, start, end in segments(data):
        if start != expected or end > len(data) or end < start + 4:
            raise NoEntryPoints("unexpected bytes between its headers")
        content, expected = data[start + 4 : end], end
        if marker == START_OF_SCAN:
            _read_scan(headers, content)
            headers.start = end
            return headers
        _read_segment(headers, marker, content)
    raise NoEntryPoints("no scan")


def _read_segment(headers: JpegHeaders, marker: int, content: bytes) -> None:
    if marker in FRAMES:
        _read_frame(headers, marker, content)
    elif marker == HUFFMAN_TABLES:
        headers.huffman.update(_huffman_tables(content))
    elif marker == QUANTIZATION_TABLES:
        headers.quantization.update(_quantization_tables(content))
    elif marker == RESTART_INTERVAL and len(content) == 2:
        headers.restart = int.from_bytes(content)
    elif marker == APP0 and content.startswith(_JFIF) and len(content) >= _JFIF_LENGTH:
        headers.jfif = content[:_BEFORE_THUMBNAIL]
    elif marker == APP14 and content.startswith(_ADOBE) and len(content) >= _ADOBE_LENGTH:
        headers.adobe = content[:_ADOBE_LENGTH]
    elif marker not in _IGNORED:
        raise NoEntryPoints(f"an unexpected segment (marker 0x{marker:02x})")


def _read_frame(headers: JpegHeaders, marker: int, content: bytes) -> None:
    if headers.frame:
        raise NoEntryPoints("two frame headers")
    if marker not in SEQUENTIAL:
        kind = "progressive" if marker in PROGRESSIVE else "arithmetic" if marker in ARITHMETIC else "lossless"
        raise NoEntryPoints(f"{kind} coding")
    count = content[5] if len(content) >= 6 else 0
    if len(content) != 6 + 3 * count:
        raise NoEntryPoints("a frame header of the wrong length")
    if content[0] != 8:
        raise NoEntryPoints(f"{content[0]} bits per value")
    if count not in (1, 3):
        raise NoEntryPoints(f"{count} colour components")
    headers.frame, headers.frame_content = marker, content
    headers.size = int.from_bytes(content[1:3]), int.from_bytes(content[3:5])
    if min(headers.size) < 1:
        raise NoEntryPoints("no height or width in the frame header")
    parts = (content[at : at + 3] for at in range(6, len(content), 3))
    headers.components = tuple(Component(name, both >> 4, both & 15, table) for name, both, table in parts)
    _check_components(headers.components)


def _check_components(components: tuple[Component, ...]) -> None:
    factors = [(one.horizontal, one.vertical) for one in components]
    if len(components) == 3 and (factors[0] not in SAMPLING or factors[1:] != [(1, 1), (1, 1)]):
        raise NoEntryPoints(f"unusual subsampling {factors}")
    if not all(1 <= factor <= 4 for pair in factors for factor in pair):
        raise NoEntryPoints(f"invalid subsampling {factors}")
    if len({one.id for one in components}) < len(components):
        raise NoEntryPoints("two components with one id")


def _read_scan(headers: JpegHeaders, content: bytes) -> None:
    """Read the scan header, and check that everything it refers to is there."""
    components = headers.components
    if not components:
        raise NoEntryPoints("no frame header")
    count = len(components)
    if len(content) != 4 + 2 * count or content[0] != count:
        raise NoEntryPoints("several scans")
    if content[-3:] != _SPECTRUM:
        raise NoEntryPoints("a scan of part of the coefficients")
    chosen = []
    for one, name, tables in zip(components, content[1:-3:2], content[2:-3:2], strict=True):
        if name != one.id:
            raise NoEntryPoints("components in another order than in the frame header")
        chosen.append(Component(name, one.horizontal, one.vertical, one.quantization, tables >> 4, tables & 15))
    headers.components, headers.scan_content = tuple(chosen), content
    for one in chosen:
        if one.quantization not in headers.quantization:
            raise NoEntryPoints("no quantization table for a component")
        if one.dc not in headers.huffman or AC + one.ac not in headers.huffman:
            raise NoEntryPoints("no Huffman table for a component")


def _quantization_tables(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        end = at + (129 if content[at] >> 4 else 65)
        if content[at] & 15 > 3 or content[at] >> 4 > 1 or end > len(content):
            raise NoEntryPoints("an invalid quantization table")
        yield content[at] & 15, content[at:end]
        at = end


def _huffman_tables(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        end = at + 17 + sum(content[at + 1 : at + 17])
        table = content[at + 1 : end]
        valid = content[at] in _TABLES and end <= len(content) and code_space(table) < FULL and len(table) > MAX_CODE
        if not valid or (content[at] < AC and len(set(table[MAX_CODE:])) < len(table) - MAX_CODE):
            raise NoEntryPoints("an invalid Huffman table")
        yield content[at], table
        at = end


def code_space(table: bytes) -> int:
    """Return how much of `FULL` the codes of a Huffman table take. At `FULL`, one of them would be all ones."""
    return sum(map(mul, table[:MAX_CODE], _SPACE))
