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
def without_libjpeg_warnings() -> Iterator[None]:
    """Drop the warnings that libjpeg prints within the block. What other threads print meanwhile appears after it."""
    with _one_at_a_time, _memory() as caught:
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # there is no stderr
            yield
            return
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
            _print_others(caught)


def _memory() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("stderr"), "w+b", buffering=0)  # noqa: PTH123 - Path takes no descriptor
    return TemporaryFile(buffering=0)


def _print_others(caught: IO[bytes]) -> None:
    caught.seek(0)
    rest = _WARNING.sub(b"", caught.read())
    if rest:
        os.write(_STDERR, rest)
