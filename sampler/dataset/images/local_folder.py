"""Images in a folder of the local file system."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sampler.dataset.images.source import ImageSource, ImageStat, name_fault
from sampler.errors import ImageError, ImageSourceError
from sampler.system_errors import explain, is_of_the_process


class LocalFolder(ImageSource):
    """The regular files of a folder and its subfolders. Pipes and devices are refused without waiting for them."""

    def __init__(self, folder: Path) -> None:
        """Use the images in `folder`. Raises ImageSourceError if it is not a folder."""
        if not folder.exists():
            raise ImageSourceError(f"{folder}: image folder does not exist")
        if not folder.is_dir():
            raise ImageSourceError(f"{folder}: is not a folder; expected the folder of the images")
        self._folder = folder

    def __repr__(self) -> str:
        return f"LocalFolder({str(self._folder)!r})"

    @property
    def identity(self) -> str:
        """The resolved path. Bytes that are not valid text are escaped."""
        return os.fsencode(self._folder.resolve()).decode(errors="backslashreplace")

    def describe(self, name: str) -> str:
        """Return the path of the file, relative if the folder was given so."""
        return str(self._folder / name)

    def stat(self, name: str) -> ImageStat:
        """Return the size of the file; its version is the modification time in ns.

        Inode and change time are left out on purpose: copying a dataset back from a backup or changing permissions
        should not invalidate a decoded store.
        """
        try:
            found = os.stat(self._path(name))  # noqa: PTH116 - half the cost of Path.stat, once per sample
        except (OSError, ValueError) as error:
            raise self._cannot_open(name, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(self.describe(name), "unreadable", "not a regular file")
        return ImageStat(found.st_size, str(found.st_mtime_ns))

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Read part of a file. A file that became a pipe or device since `stat` fails instead of blocking."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise self._cannot_open(name, error) from error
        try:
            data = os.pread(descriptor, length, start)
            # Any local disk returns all at once, but some file systems return less.
            while len(data) < length and (more := os.pread(descriptor, length - len(data), start + len(data))):
                data += more
            return data
        except OSError as error:
            cause = f"the file cannot be read: {error.strerror or error}"
            raise ImageError(self.describe(name), "unreadable", cause) from error
        finally:
            os.close(descriptor)

    def names(self) -> Iterator[str]:
        """Yield the relative path of every file below the folder. Subfolders that cannot be listed are an error."""

        def fail(error: OSError) -> None:
            raise ImageSourceError(f"{self._folder}: cannot be listed: {error.strerror or error}") from error

        for folder, _, files in os.walk(self._folder, onerror=fail):
            yield from (Path(folder, file).relative_to(self._folder).as_posix() for file in files)

    def _path(self, name: str) -> str:
        fault = name_fault(name)
        if fault:
            raise ImageError(self.describe(name), "unreadable", fault)
        return f"{self._folder}/{name}"

    def _cannot_open(self, name: str, error: Exception) -> ImageError | ImageSourceError:
        if isinstance(error, OSError) and is_of_the_process(error):  # the image itself may be intact
            return ImageSourceError(f"{self.describe(name)}: cannot be opened: {explain(error, self._folder)}")
        if isinstance(error, FileNotFoundError):
            return ImageError(self.describe(name), "missing", "the file does not exist")
        return ImageError(self.describe(name), "unreadable", f"the file cannot be opened: {error}")
