"""The sizes of the AV1 frames inside an AVIF file.

The boxes of an AVIF state the size of the image, and each coded frame states its own. Decoders allocate the latter and
scale, so a small image may hide a huge frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE_HEADER = 1
"""Type of the AV1 unit that states the size of the frames."""


def frame_sizes(data: bytes) -> list[tuple[int, int]]:
    """Return (height, width) of the frames of all items of an AVIF.

    Raises:
        ValueError: The file is damaged, an image sequence, or of another structure than image files have.
    """
    boxes = dict(_boxes(data))
    if b"meta" not in boxes or b"moov" in boxes:
        raise ValueError("not a still image")
    inner = dict(_boxes(boxes[b"meta"][4:]))
    places = (data, inner.get(b"idat", b""))
    kinds = dict(_kinds(inner.get(b"iinf", b"")))
    sizes, total = [], 0
    for item in _items(inner.get(b"iloc", b"")):
        if kinds.get(item.number) != b"av01":
            continue
        total += sum(length for _, length in item.extents)
        if item.place > 1 or total > len(data):
            raise ValueError("items inside of items, or that overlap")
        content = b"".join(places[item.place][start : start + length] for start, length in item.extents)
        sizes += [_frame_size(unit) for kind, unit in _units(content) if kind == _SEQUENCE_HEADER]
    return sizes


_MAX_TABLE = 1 << 16
"""Most bytes of the table of items. Image files have a few items."""


@dataclass(frozen=True, slots=True)
class _Item:
    """An item's number and bytes: place 0 for the file, 1 for the `idat` box; start and length of each part."""

    number: int
    place: int
    extents: tuple[tuple[int, int], ...]


class _Reader:
    """Reads big-endian numbers of any number of bits. Raises ValueError at the end of the data."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, bits: int) -> int:
        self._left -= bits
        if self._left < 0:
            raise ValueError("the data ends too early")
        return self._bits >> self._left & (1 << bits) - 1


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box."""
    at = 0
    while at + 8 <= len(data):
        length, kind, header = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16]), 16
        end = at + length if length else len(data)
        if end < at + header or end > len(data):
            raise ValueError(f"box {kind!r} is incomplete")
        yield kind, data[at + header : end]
        at = end


def _kinds(box: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and type of each item of an `iinf` box."""
    start = 4 + (4 if box[:1] > b"\0" else 2)
    for _, entry in _boxes(box[start:]):
        number_bytes = 4 if entry[:1] > b"\2" else 2
        at = 4 + number_bytes
        yield int.from_bytes(entry[4:at]), entry[at + 2 : at + 6]


def _items(box: bytes) -> Iterator[_Item]:
    """Yield the items of an `iloc` box."""
    if len(box) > _MAX_TABLE:
        raise ValueError("too many items")
    reader = _Reader(box)
    version = reader.take(8)
    reader.take(24)
    offset_bits, length_bits, base_bits, index_bits = (8 * reader.take(4) for _ in range(4))
    id_bits = 32 if version == 2 else 16
    for _ in range(reader.take(id_bits)):
        number = reader.take(id_bits)
        place = reader.take(16) & 15 if version else 0
        reader.take(16)  # data reference
        base = reader.take(base_bits)
        extents = []
        for _ in range(reader.take(16)):
            reader.take(index_bits if version else 0)
            extents.append((base + reader.take(offset_bits), reader.take(length_bits)))
        yield _Item(number, place, tuple(extents))


def _units(item: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each AV1 unit of an item."""
    at = 0
    while at < len(item):
        kind, extended, sized = item[at] >> 3 & 15, item[at] & 4, item[at] & 2
        at += 2 if extended else 1
        length, shift = len(item) - at, 0
        while sized and at < len(item):
            length = (length if shift else 0) | (item[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            sized = item[at - 1] & 0x80
        yield kind, item[at : at + length]
        at += length


def _frame_size(unit: bytes) -> tuple[int, int]:
    """Return the largest (height, width) that a sequence header allows."""
    reader = _Reader(unit)
    reader.take(4)  # profile, still picture
    if reader.take(1):  # a reduced header has only the level
        reader.take(5)
    else:
        if reader.take(1):
            raise ValueError("frames with times")
        delays = reader.take(1)
        for _ in range(reader.take(5) + 1):
            reader.take(12)
            if reader.take(5) > 7:
                reader.take(1)
            if delays and reader.take(1):
                reader.take(4)
    width_bits, height_bits = reader.take(4) + 1, reader.take(4) + 1
    width = reader.take(width_bits) + 1
    return reader.take(height_bits) + 1, width
