"""Images in a folder of the local file system."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampler.dataset.image_names import name_fault
from sampler.dataset.images.source import ImageSource, ImageStat
from sampler.errors import ImageError, ImageSourceError
from sampler.printable import path_text, printable
from sampler.system_errors import explain, is_of_the_process

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_TEXT_ERRORS = "surrogateescape"

LEADS_OUT = "a link leads out of the image folder"
"""Begins the cause of an error of kind "outside"; the target of the link follows."""


class LocalFolder(ImageSource):
    """The regular files of a folder and its subfolders. Pipes and devices are refused without waiting for them.

    Names are UTF-8 on disk, whatever the locale. Links that lead out of the folder are refused unless `follow_links`.
    """

    def __init__(self, folder: Path, follow_links: bool = False) -> None:
        """Use the images in `folder`. Raises ImageSourceError if it is not a folder."""
        _require_folder(folder)
        self._folder = os.fsencode(folder)
        self._follow_links = follow_links
        self._inside = self._resolved()

    def __repr__(self) -> str:
        return f"LocalFolder({self.describe('')!r})"

    @property
    def identity(self) -> str:
        """The resolved path. Bytes that are not valid text are escaped."""
        return path_text(os.path.realpath(self._folder))

    def describe(self, name: str) -> str:
        """Return the path of the file, relative if the folder was given so. Bytes that are not text are escaped."""
        return str(Path(path_text(self._folder)) / name)

    def stat(self, name: str) -> ImageStat:
        """Return the size of the file; its version is the modification time in ns.

        Inode and change time are left out on purpose: copying a dataset back from a backup or changing permissions
        should not invalidate a decoded store.
        """
        try:
            found = os.stat(self._path(name))  # noqa: PTH116 - half the cost of Path.stat, once per sample
        except (OSError, ValueError) as error:
            raise self._cannot_open(name, error) from error
        return self._regular(name, found)

    def read(self, name: str, limit: int) -> bytes:
        """Return all bytes of a file, whose size and place are those of the file that is read."""
        with self._open(name) as descriptor:
            size = self._regular(name, os.fstat(descriptor)).size
            self.check_size(name, size, limit)
            return self.check_content(name, _read(descriptor, 0, size))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Read part of a file. A file that became a pipe or device since `stat` fails instead of blocking."""
        with self._open(name) as descriptor:
            return _read(descriptor, start, length)

    def names(self) -> Iterator[str]:
        """Yield the relative path of every file below the folder. Subfolders that cannot be listed are an error."""

        def fail(error: OSError) -> None:
            where = printable(self.describe(""))
            raise ImageSourceError(f"{where}: cannot be listed: {error.strerror or error}") from error

        for folder, _, files in os.walk(self._folder, onerror=fail):
            for file in files:
                path = os.path.relpath(os.path.join(folder, file), self._folder)  # noqa: PTH118 - Path takes no bytes
                yield path.decode(errors=_TEXT_ERRORS)

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        """Yield the descriptor of a file. Errors of the system become ImageErrors."""
        path = self._path(name)
        try:
            descriptor = os.open(path, _FLAGS)
        except (OSError, ValueError) as error:
            raise self._cannot_open(name, error) from error
        try:
            if not self._follow_links:
                self._check_inside(name, path, descriptor)
            yield descriptor
        except OSError as error:
            cause = f"the file cannot be read: {error.strerror or error}"
            raise ImageError(self.describe(name), "unreadable", cause) from error
        finally:
            os.close(descriptor)

    def _check_inside(self, name: str, path: bytes, descriptor: int) -> None:
        """Raise ImageError if the open file is outside the folder. Nothing can be exchanged after this check."""
        place = _place(path, descriptor)
        if place.startswith(self._inside):
            return
        self._inside = self._resolved()  # the folder may itself be a link that leads elsewhere by now
        if not place.startswith(self._inside):
            target = printable(path_text(place))
            remedy = "copy the file, or set SAMPLER_FOLLOW_LINKS=true (--follow-links)"
            cause = f"{LEADS_OUT}, to {target}; {remedy}"
            raise ImageError(self.describe(name), "outside", cause)

    def _resolved(self) -> bytes:
        return os.path.realpath(self._folder).rstrip(b"/") + b"/"

    def _path(self, name: str) -> bytes:
        fault = name_fault(name)
        if fault:
            raise ImageError(self.describe(name), "unreadable", fault)
        return self._folder + b"/" + name.encode()

    def _regular(self, name: str, found: os.stat_result) -> ImageStat:
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(self.describe(name), "unreadable", "not a regular file")
        return ImageStat(found.st_size, str(found.st_mtime_ns))

    def _cannot_open(self, name: str, error: Exception) -> ImageError | ImageSourceError:
        if isinstance(error, OSError) and is_of_the_process(error):  # the image itself may be intact
            where = printable(self.describe(name))
            return ImageSourceError(f"{where}: cannot be opened: {explain(error, os.fsdecode(self._folder))}")
        if isinstance(error, FileNotFoundError):
            return ImageError(self.describe(name), "missing", "the file does not exist")
        reason = error.strerror if isinstance(error, OSError) else error
        return ImageError(self.describe(name), "unreadable", f"the file cannot be opened: {reason}")


def _require_folder(folder: Path) -> None:
    where = printable(path_text(folder))
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError as error:
        raise ImageSourceError(f"{where}: image folder does not exist") from error
    except OSError as error:
        cause = explain(error, folder, "use a folder that this user can read")
        raise ImageSourceError(f"{where}: image folder cannot be opened: {cause}") from error
    if not is_folder:
        raise ImageSourceError(f"{where}: is not a folder; expected the folder of the images")


def _place(path: bytes, descriptor: int) -> bytes:
    """Return the path of an open file without links. Raises OSError."""
    try:
        return _link_of(b"/proc/self/fd/%d" % descriptor)
    except OSError:  # not Linux, or no /proc
        place = os.path.realpath(path)
    if not os.path.samestat(os.stat(place), os.fstat(descriptor)):  # noqa: PTH116 - Path takes no bytes
        raise OSError("it was replaced while it was opened")
    return place


def _link_of(path: bytes) -> bytes:
    return os.readlink(path)  # noqa: PTH115 - Path takes no bytes


def _read(descriptor: int, start: int, length: int) -> bytes:
    data = os.pread(descriptor, length, start)
    # Any local disk returns all at once, but some file systems return less.
    while len(data) < length and (more := os.pread(descriptor, length - len(data), start + len(data))):
        data += more
    return data
