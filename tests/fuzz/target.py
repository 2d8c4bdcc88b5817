"""A target: makes inputs for one reader of bytes, and checks what the reader does with them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random


class WrongResultError(AssertionError):
    """An input was accepted, but the result is not the right one."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One reader of bytes.

    Attributes:
        make: Returns an input, made from the random numbers alone.
        run: Reads an input. Returns if it is accepted and the result is right. May only raise `refusals`.
        refusals: The documented exceptions of the reader.
        memory_mb: Memory (MB) that all inputs together may add to the process.
    """

    make: Callable[[Random], bytes]
    run: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]
    memory_mb: int = 128


Build = Callable[[Path], Target]
"""Makes a target in the process that runs it. Gets a folder for files, and loads everything the target needs."""


def require(condition: bool, what: str) -> None:
    """Raise WrongResultError, which says what is wrong, unless a condition holds."""
    if not condition:
        raise WrongResultError(what)
