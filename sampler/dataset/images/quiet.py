"""Keeping decoders' messages off stderr, which do not name the file, and reading those that tell of lost data."""

import functools
import os
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from tempfile import TemporaryFile
from typing import IO

import cv2

_STDERR = 2
_WARNING = re.compile(
    rb"(Corrupt JPEG data: |Premature end of JPEG file|Inconsistent progression sequence|Warning: unknown JFIF"
    rb"|Unknown Adobe color transform|Invalid SOS parameters)[^\n]*\n"
)
_LIBPNG = re.compile(rb"libpng (?:error|warning): [^\n]*\n")
_LOG = re.compile(rb"\[ *(?:ERROR|WARN):[^\n]*\n(?:>[^\n]*\n|\n)*")
"""A message in OpenCV's log: one line, or more of which the others begin with >."""

_one_at_a_time = threading.Lock()


@functools.cache
def silence_opencv() -> None:
    """Keep OpenCV from logging what its errors say; once per process is enough."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@contextmanager
def opencv_log() -> Iterator[list[str]]:
    """Let OpenCV log warnings and errors within the block; they are in the yielded list after it, not on stderr."""
    silence_opencv()
    with _caught(_LOG) as messages:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
        try:
            yield messages
        finally:
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def without_libjpeg_warnings() -> AbstractContextManager[list[str]]:
    """Keep the warnings that libjpeg prints within the block off stderr; they are in the yielded list after it."""
    return _caught(_WARNING)


@contextmanager
def without_libpng_messages() -> Iterator[None]:
    """Keep what libpng prints within the block off stderr.

    Threads do not wait for each other here. If another one catches stderr at the moment, its block drops the messages.
    """
    if not _one_at_a_time.acquire(blocking=False):
        yield
        return
    try:
        with _redirected(_LIBPNG):
            yield
    finally:
        _one_at_a_time.release()


@contextmanager
def _caught(pattern: re.Pattern[bytes]) -> Iterator[list[str]]:
    with _one_at_a_time, _redirected(pattern) as texts:
        yield texts


@contextmanager
def _redirected(pattern: re.Pattern[bytes]) -> Iterator[list[str]]:
    """Keep text off stderr that matches a pattern. What else other threads print meanwhile appears after the block."""
    texts: list[str] = []
    with _memory() as caught:
        stderr = _copy_of_stderr()
        os.dup2(caught.fileno(), _STDERR)
        try:
            yield texts
        finally:
            if stderr is None:
                os.close(_STDERR)
            else:
                os.dup2(stderr, _STDERR)
                os.close(stderr)
            caught.seek(0)
            printed = caught.read()
            texts += [found[0].decode(errors="replace").rstrip() for found in pattern.finditer(printed)]
            rest = _LIBPNG.sub(b"", pattern.sub(b"", printed))
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
