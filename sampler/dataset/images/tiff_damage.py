"""libtiff's messages about a TIFF whose data is damaged: OpenCV logs them and gives the pixels that it has."""

import re
from collections.abc import Iterable

from sampler.dataset.images.notes import ImageNote
from sampler.printable import printable

_MESSAGE = re.compile(r"TIFF_(Error|Warning) (.*)")
_LOST = re.compile(
    r"Corrupt JPEG data: (?!\d+ extraneous)|Premature end of JPEG"
    r"|Discarding \d+ bytes|[Nn]ot enough data|[Dd]ecoding error"
)
"""Warnings that tell of lost data. Most others are about tags that libtiff does not know."""


def tiff_notes(log: Iterable[str]) -> tuple[ImageNote, ...]:
    """Return what is wrong with a TIFF, given OpenCV's log of its decoding: at most one note of kind "damaged"."""
    for line in log:
        found = _MESSAGE.search(line)
        if found is not None and (found[1] == "Error" or _LOST.search(found[2])):
            return (ImageNote("damaged", f"libtiff: {printable(found[2])}"),)
    return ()
