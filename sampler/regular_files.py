"""Opening the files that users name, which must be regular: opening a FIFO may block, and /dev/zero has no end.

A pipe that the process was started with counts as regular, so that shells can pass `--token-file <(command)`.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

INHERITED = (Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders of the descriptors that a process has already."""


def require_regular(file: Path) -> os.stat_result:
    """Return the status of a regular file. Raises OSError for anything else, before it is opened."""
    status = file.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    inherited_pipe = file.parent in INHERITED and stat.S_ISFIFO(status.st_mode)
    if not stat.S_ISREG(status.st_mode) and not inherited_pipe:
        raise OSError(errno.EINVAL, "Not a regular file", str(file))
    return status


def open_regular(file: Path) -> BinaryIO:
    """Open a regular file to read its bytes. Raises OSError."""
    require_regular(file)
    return file.open("rb")


def read_regular(file: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: The file is not regular or cannot be read.
        ValueError: It has more than `most` bytes.
    """
    with open_regular(file) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"the file has more than {most:,} bytes; name the right file")
    return content
