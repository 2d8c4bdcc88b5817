"""Progress of long tasks, shown on stderr. Rich is loaded only to show it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Advance(Protocol):
    """Reports one more item, and the bytes of its result if the bar should show a speed."""

    def __call__(self, nbytes: int = 0) -> None:
        """Move the bar."""


@contextmanager
def spinner(show: bool = True) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current step of a task of unknown length. Shows nothing without a terminal."""
    if not show or not sys.stderr.isatty():
        yield lambda _: None
        return
    with _display().shown_spinner() as report:
        yield report


@contextmanager
def progress_bar(title: str, total: int, completed: int = 0, show: bool = True) -> Iterator[Advance]:
    """Yield a function to call after each of `total` items, `completed` of which were done before."""
    if not show:
        yield lambda nbytes=0: None  # noqa: ARG005 - the name is part of `Advance`
        return
    with _display().shown_bar(title, total, completed) as advance:
        yield advance


def _display() -> Any:
    # By name, so that Rich is imported by processes only that show something.
    return importlib.import_module("sampler.progress_display")
