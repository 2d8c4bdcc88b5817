"""A reader with every fault that the fuzzer must notice, for its tests."""

import ctypes
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.target import Target, require

_MOST_MB = 32


def _crash() -> None:
    ctypes.string_at(0)


def _loop() -> None:
    while True:
        pass


def _take_memory() -> None:
    b"\1" * (3 * _MOST_MB << 20)


FAULTS: dict[str, Callable[[], object]] = {
    "SIGSEGV": _crash,
    "hang": _loop,
    "memory": _take_memory,
    "MemoryError": lambda: bytearray(1 << 50),
    "KeyError": lambda: os.environ["MISSING VARIABLE"],
    "UserWarning": lambda: warnings.warn("a warning", stacklevel=2),
    "stderr": lambda: os.write(2, b"a message of a decoder\n"),
    "WrongResultError": lambda: require(False, "another result"),
}
"""What the reader does, by the kind of failure that it is."""

ACCEPTED, REFUSED = b"accepted", b"refused"


def build(folder: Path) -> Target:
    """Return the target."""
    return Target(_make, _run, (ValueError,), memory_mb=_MOST_MB)


def _make(rng: Random) -> bytes:
    return rng.choice((ACCEPTED, REFUSED, rng.choice(list(FAULTS)).encode()))


def _run(data: bytes) -> None:
    if data == REFUSED:
        raise ValueError("refused")
    if data != ACCEPTED:
        FAULTS[data.decode()]()
