"""Keeping libjpeg's warnings off stderr. OpenCV lets it print them, without the name of the file."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

_STDERR = 2
_WARNING = re.compile(
    rb"(Corrupt JPEG data: |Premature end of JPEG file|Inconsistent progression sequence|Warning: unknown JFIF"
    rb"|Unknown Adobe color transform|Invalid SOS parameters)[^\n]*\n"
)
_one_at_a_time = threading.Lock()


@contextmanager
def without_libjpeg_warnings() -> Iterator[list[str]]:
    """Keep the warnings that libjpeg prints within the block off stderr; they are in the yielded list after it.

    What other threads print meanwhile appears after the block.
    """
    warnings: list[str] = []
    with _one_at_a_time, _memory() as caught:
        stderr = _copy_of_stderr()
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield warnings
        finally:
            if stderr is None:
                os.close(_STDERR)
            else:
                os.dup2(stderr, _STDERR)
                os.close(stderr)
            caught.seek(0)
            printed = caught.read()
            warnings += [found[0].decode().rstrip() for found in _WARNING.finditer(printed)]
            rest = _WARNING.sub(b"", printed)
            if rest and stderr is not None:
                os.write(_STDERR, rest)


def _copy_of_stderr() -> int | None:
    try:
        return os.dup(_STDERR)
    except OSError:  # there is no stderr
        return None


def _memory() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("stderr"), "w+b", buffering=0)  # noqa: PTH123 - Path takes no descriptor
    return TemporaryFile(buffering=0)
