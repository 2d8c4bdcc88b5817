"""Atomic file writes: other processes see the old file or the complete new one, never a part."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

DRAFT_SUFFIX = ".partial"
"""Ends the name of a file that is not complete yet. A killed process may leave one behind."""


def atomic_write(file: Path, data: bytes, durable: bool = False) -> None:
    """Create or replace a file. See `atomic_writer`."""
    with atomic_writer(file, durable) as stream:
        stream.write(data)


@contextlib.contextmanager
def atomic_writer(file: Path, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes `file` when the block ends without an error.

    Any number of processes may write the same file at once; the last one wins.

    Args:
        file: The file to create or replace. Its folder must exist.
        durable: Return only once the file would survive a power failure.

    Raises:
        OSError: The file cannot be written. The old one, if any, is unchanged.
    """
    draft = file.with_name(f".{file.name[:40]}-{secrets.token_hex(8)}{DRAFT_SUFFIX}")
    try:
        with draft.open("xb") as stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        draft.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to report
            draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder (new files, renames) to disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
