"""Progress of long tasks, shown on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from sampler.printable import printable


class Advance(Protocol):
    """Reports one more item, and the bytes of its result if the bar should show a speed."""

    def __call__(self, nbytes: int = 0) -> None:
        """Move the bar."""


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current step of a task of unknown length. Shows nothing without a terminal."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda step: progress.update(task, description=printable(step))


@contextmanager
def progress_bar(title: str, total: int, completed: int = 0, show: bool = True) -> Iterator[Advance]:
    """Yield a function to call after each of `total` items, `completed` of which were done before."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}")
    times = TimeElapsedColumn(), TextColumn("elapsed,"), TimeLeftColumn(), TextColumn("left")
    began, written = time.monotonic(), 0
    with Progress(*columns, *times, console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task(title, total=total, completed=completed, speed="")

        def advance(nbytes: int = 0) -> None:
            nonlocal written
            written += nbytes
            rate = written / 1e6 / max(time.monotonic() - began, 1e-3)
            progress.update(task, advance=1, speed=f"{rate:,.0f} MB/s" if written else "")

        yield advance
