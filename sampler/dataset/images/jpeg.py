"""The segments of JPEG files."""

import re
from collections.abc import Iterator

START = b"\xff\xd8\xff"
"""First bytes of every JPEG."""

END_OF_IMAGE, START_OF_SCAN, APP1 = 0xD9, 0xDA, 0xE1
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers, which hold the size."""

SEQUENTIAL = frozenset([0xC0, 0xC1])
"""Markers of frame headers whose scans hold whole blocks."""

_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])
_AFTER_SCAN = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""Markers that end the data of a scan: all but stuffed zeros and restart markers."""


def segments(data: bytes, at: int = 2) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment with a length, as libjpeg finds them, up to the first scan header.

    Bytes between segments are skipped.
    """
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0xFF, 0x00):
            at += 1  # fill bytes, which decoders skip
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield marker, at, end
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            return
        at = end


def scan_end(data: bytes, at: int) -> int:
    """Return where the data of a scan that begins at `at` ends."""
    found = _AFTER_SCAN.search(data, at)
    return len(data) if found is None else found.start()
