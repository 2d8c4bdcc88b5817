"""libjpeg's warnings about a JPEG: lost data, which decoders fill with grey or wrong colours, or harmless oddities.

libjpeg reports only its first warning. If that one is harmless, its cause is removed from a copy of the file, and the
copy is decoded to see whether a harmful one follows.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

import cv2
import numpy as np
import simplejpeg

from sampler.dataset.images.jpeg import END_OF_IMAGE, FRAMES, SEQUENTIAL, START_OF_SCAN, scan_end, segments
from sampler.dataset.images.notes import ImageNote
from sampler.dataset.images.quiet import without_libjpeg_warnings

_WARNING = re.compile(
    r"Corrupt JPEG data|Premature end of JPEG file|Inconsistent progression sequence"
    r"|unknown JFIF revision|Unknown Adobe color transform|Invalid SOS parameters for sequential JPEG"
)
_ODDITY = re.compile(r"unknown JFIF revision|Unknown Adobe color transform|Invalid SOS parameters for sequential JPEG")
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")

_NOT_NEEDED = frozenset([*range(0xE0, 0xF0), 0xFE, END_OF_IMAGE])
"""Application data, comments, and the end, which may be missing."""

_RESTARTS = range(0xD0, 0xD8)
_PADDING = 4096
"""Cameras pad the data of an image to whole sectors or pages. If as many bytes are left over, part of it is lost."""

_ATTEMPTS = 32
"""How often one file is decoded at most to find what a harmless warning hides."""

_SPECTRUM = slice(-3, None)
"""Bytes of a scan header that a sequential JPEG does not need: first and last coefficient, bit positions."""


def first_warning(data: bytes) -> str | None:
    """Decode a JPEG at an eighth of its size, which is the cheapest way to get libjpeg's first warning or None."""
    try:
        simplejpeg.decode_jpeg(data, colorspace="BGR", min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        return _warning_of(data, str(error))
    return None


def _warning_of(data: bytes, message: str) -> str | None:
    """Return a message about a JPEG if it is a warning, and otherwise the warning that it hides, if there is one.

    libjpeg warns of lost data and goes on, up to a marker behind the data that is an error. simplejpeg then tells only
    of the error, but OpenCV has all rows by then and gives them.
    """
    if _WARNING.search(message):
        return message
    with without_libjpeg_warnings() as warnings, suppress(cv2.error):  # decoding at full size raises it again
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION)
    return warnings[0] if warnings else None


def jpeg_notes(data: bytes, message: str | None) -> tuple[ImageNote, ...]:
    """Return what is wrong with a JPEG: at most one note of kind "warning" and then one of kind "damaged".

    Args:
        data: The encoded image.
        message: libjpeg's first message about it, None if there is none. Errors give no notes, unless they hide a
            warning.
    """
    message = None if message is None else _warning_of(data, message)
    if message is None:
        return ()
    messages = [message, *(_hidden_warnings(data) if _is_harmless(message) else ())]
    harmless = dict.fromkeys(text for text in messages if _is_harmless(text))
    harmful = [text for text in messages if _WARNING.search(text) and text not in harmless]
    notes = [ImageNote("warning", f"libjpeg: {'; '.join(harmless)}")] if harmless else []
    return *notes, *(ImageNote("damaged", f"libjpeg: {text}") for text in harmful[:1])


def _is_harmless(message: str) -> bool:
    extraneous = _EXTRANEOUS.search(message)
    if extraneous is None:
        return _ODDITY.search(message) is not None
    # No encoder puts bytes before a restart marker.
    return int(extraneous[1]) < _PADDING and int(extraneous[2], 16) not in _RESTARTS


def _hidden_warnings(data: bytes) -> Iterator[str]:
    """Yield the messages that follow harmless warnings, up to the first harmful one."""
    pieces = _pieces(data)
    for _ in range(_ATTEMPTS):
        message = first_warning(b"".join(pieces))
        if message is None:
            return
        yield message
        if not _is_harmless(message) or not _drop_extraneous(pieces, message):
            return


def _pieces(data: bytes) -> list[bytes]:
    """Return a JPEG without everything that gives harmless warnings before a scan, split into segments and scan data.

    Application data, comments and bytes between segments are left out.
    """
    pieces, at, sequential = [b"\xff\xd8"], 2, False
    while at < len(data):
        marker = END_OF_IMAGE
        for marker, start, end in segments(data, at):
            segment = bytearray(data[start:end])
            if marker in FRAMES:
                sequential = marker in SEQUENTIAL
            if marker == START_OF_SCAN and sequential:
                segment[_SPECTRUM] = b"\0\x3f\0"
            if marker not in _NOT_NEEDED:
                pieces.append(bytes(segment))
        if marker != START_OF_SCAN:
            break
        at = scan_end(data, end)
        pieces.append(data[end:at])
    return [*pieces, b"\xff\xd9"]


def _drop_extraneous(pieces: list[bytes], message: str) -> bool:
    """Remove the extraneous bytes that a message tells of, and return whether that was possible and useful.

    The message does not say which scan ends with them. Nothing was wrong before them, so removing bytes of a later scan
    leaves the message as it is: the first scan from the end for which it changes is the right one.
    """
    found = _EXTRANEOUS.search(message)
    if found is None:
        return False
    count, marker = int(found[1]), bytes.fromhex(f"ff{found[2]}")
    for place in range(len(pieces) - 2, 0, -1):
        whole = pieces[place]
        if not pieces[place + 1].startswith(marker) or len(whole) <= count:
            continue
        pieces[place] = whole[:-count]
        if first_warning(b"".join(pieces)) != message:
            return True
        pieces[place] = whole
    return False
