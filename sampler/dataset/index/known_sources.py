"""Which annotation file has which content: a note for each, so that a file that has not changed is not read again.

    <cache folder>/indexes/.sources/<BLAKE2b-128 of the path>.json

A note is only ever a shortcut. It is believed when path and stamp are those of the file as it is now, and what cannot
be noted is read again next time.
"""

import hashlib
import os
import time
from pathlib import Path

import msgspec

from sampler.atomic_write import write_whole
from sampler.dataset.fingerprint import Stamp, settled, stamp

FOLDER = ".sources"


class Note(msgspec.Struct, frozen=True):
    """That the file at `path` has the content with this digest while it has this stamp."""

    path: str
    stamp: Stamp
    digest: str


class Source:
    """An open annotation file as it was when it was opened."""

    def __init__(self, file: Path, found: os.stat_result, notes: Path) -> None:
        self._path = str(file.absolute())
        self._opened = time.time_ns()
        self._stamp = stamp(found)
        self._note = notes / FOLDER / f"{hashlib.blake2b(os.fsencode(self._path), digest_size=16).hexdigest()}.json"

    def noted(self) -> str | None:
        """The digest that a note has for the file as it is, or None."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=Note)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None  # absent, or not a note: the annotation file is read
        return note.digest if (note.path, note.stamp) == (self._path, self._stamp) else None

    def unchanged(self, found: os.stat_result) -> bool:
        """Whether the file still has the stamp it was opened with."""
        return stamp(found) == self._stamp

    def note(self, digest: str) -> None:
        """Note the digest of the content. Raises OSError when the note cannot be written.

        A file that was written just before it was opened is not noted: it may change without showing it.
        """
        if settled(self._stamp, self._opened):
            self._note.parent.mkdir(exist_ok=True)
            write_whole(self._note, msgspec.json.encode(Note(self._path, self._stamp, digest)))
