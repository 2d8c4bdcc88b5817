"""Errors of the operating system in words: the cause, and what to do about it.

An error such as "too many open files" tells something about the process, none about the file that could not be opened.
Code that judges files by such errors asks `is_of_the_file` first, so that no intact file is called damaged.
"""

import errno
import os
import resource
from contextlib import suppress
from pathlib import Path

OTHER_CACHE_FOLDER = "set another cache folder (SAMPLER_CACHE_DIR)"
"""The remedy for most errors below the cache folder."""

_MORE_FILES = "raise the limit (ulimit -n, in systemd LimitNOFILE)"
_LIMITS = {
    errno.EMFILE: _MORE_FILES,
    errno.ENFILE: _MORE_FILES,
    errno.ENOMEM: "free memory or raise the limit of this process (ulimit -v, the container's memory)",
    errno.EAGAIN: "the limit of processes may be reached: raise it (ulimit -u, the container's limit)",
}
"""Remedies for errors that no other place would help against."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_NO_FOLDER = (errno.ENOTDIR, errno.EEXIST)
_OF_THE_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


def is_of_the_file(error: Exception) -> bool:
    """Return whether an error shows that the file is absent or not what it should be.

    False for an OSError that depends on the process or the system: too few descriptors or too little memory, missing
    permissions, a failing disk.
    """
    return not isinstance(error, OSError) or error.errno is None or error.errno in _OF_THE_FILE


def is_of_the_process(error: OSError) -> bool:
    """Return whether an error says that this process or the system ran out of descriptors or memory."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def limit_reached(error: BaseException) -> str:
    """Return cause and remedy if this process or the system ran out of descriptors, memory or threads, else ""."""
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return explain(OSError(errno.EAGAIN, str(error)), "")
    return explain(error, "") if isinstance(error, OSError) and is_of_the_process(error) else ""


def explain(error: OSError, path: Path | str, elsewhere: str = OTHER_CACHE_FOLDER) -> str:
    """Return cause and remedy of a failed operation, for the end of a message.

    Args:
        error: The error.
        path: What could not be read or written. If permissions are missing, the message names its owner.
        elsewhere: As for `remedy`.
    """
    return f"{cause(error, path)}; {remedy(error, elsewhere)}"


def remedy(error: OSError, elsewhere: str = OTHER_CACHE_FOLDER) -> str:
    """Return what to do about an error. elsewhere: the advice to use another place, which not every error needs."""
    limit = _LIMITS.get(error.errno or 0)
    if limit is not None:
        return limit
    if error.errno in _FULL:
        return f"make space or {elsewhere}"
    return f"give that user access or {elsewhere}" if error.errno in _FORBIDDEN else elsewhere


def cause(error: OSError, path: Path | str) -> str:
    """Return the cause of a failed operation: see `explain`."""
    path = Path(path)
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.EMFILE:
        return f"{reason} (this process may open {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})"
    if error.errno == errno.ENFILE:
        return f"{reason} (in the whole system)"
    if error.errno in _FORBIDDEN:
        return f"{reason} for user id {os.geteuid()}{_owner(Path(_named(error) or path))}"
    if error.errno in _NO_FOLDER:
        return f"{_blocking_file(path) or path} is not a folder"
    return reason


def _named(error: OSError) -> str | None:
    """Return the file that the operating system named, if it did."""
    return error.filename if isinstance(error.filename, str) else None


def _owner(path: Path) -> str:
    """Return whose the nearest file or folder is that this process can see, or "" if it sees none."""
    for place in (path, *path.parents):
        with suppress(OSError):
            status = place.stat()
            return f" ({place} belongs to user id {status.st_uid}, mode {status.st_mode & 0o7777:03o})"
    return ""


def _blocking_file(path: Path) -> Path | None:
    """Return the file in the place of one of the folders of a path."""
    for place in (path, *path.parents):
        with suppress(OSError):
            if place.exists() and not place.is_dir():
                return place
    return None
