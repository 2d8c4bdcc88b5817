"""Facts about files and folders: whether this user can read and write them."""

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sampler.regular_files import open_regular

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff"})
LOOKED_AT = 1000
"""Entries of an image folder that are looked at."""


@dataclass(frozen=True, slots=True)
class PathFacts:
    """A file or folder to read.

    Attributes:
        path: Where it is.
        error: Why it cannot be read; None if it can.
        size: Bytes of a file.
        mode: Permission bits.
        has_images: Whether a folder has images or other folders; True of a file; None if neither is among the first
            entries of a folder that has more.
    """

    path: Path
    error: OSError | None
    size: int = 0
    mode: int = 0
    has_images: bool | None = True


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """A folder to write to.

    Attributes:
        path: Where it is, or is to be made.
        exists: Whether it is there.
        error: Why nothing can be written there; None if it can.
        free: Free bytes for this user.
    """

    path: Path
    exists: bool
    error: OSError | None
    free: int


def readable(path: Path) -> PathFacts:
    """Return facts about a file or folder."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return PathFacts(path, None, mode=status.st_mode & 0o777, has_images=_has_images(path))
        with open_regular(path) as file:
            file.read(1)
    except OSError as error:
        return PathFacts(path, error)
    return PathFacts(path, None, status.st_size, status.st_mode & 0o777)


def writable(path: Path) -> FolderFacts:
    """Return facts about a folder. If it does not exist, they are those of the folder in which it is to be made."""
    place = path
    while not _is_there(place) and place != place.parent:
        place = place.parent
    exists = place == path
    error: OSError | None = None
    try:
        with tempfile.TemporaryFile(dir=place, prefix=".doctor-") as file:
            file.write(b"\0")
    except OSError as caught:
        error = caught
    with suppress(OSError):
        status = os.statvfs(place)
        return FolderFacts(path, exists, error, status.f_bavail * status.f_frsize)
    return FolderFacts(path, exists, error, 0)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # such as a folder around it that this user cannot look into
        return True
    return True


def _has_images(folder: Path) -> bool | None:
    with os.scandir(folder) as entries:
        if any(
            entry.is_dir() or Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in islice(entries, LOOKED_AT)
        ):
            return True
        return False if next(entries, None) is None else None
