"""Spinner and progress bar on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from sampler.printable import printable


@contextmanager
def shown_spinner() -> Iterator[Callable[[str], None]]:
    """Show the current step of a task of unknown length."""
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda step: progress.update(task, description=printable(step))


@contextmanager
def shown_bar(title: str, total: int, completed: int) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` items are done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}")
    times = TimeElapsedColumn(), TextColumn("elapsed,"), TimeLeftColumn(), TextColumn("left")
    began, written = time.monotonic(), 0
    with Progress(*columns, *times, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=completed, speed="")

        def advance(nbytes: int = 0) -> None:
            nonlocal written
            written += nbytes
            rate = written / 1e6 / max(time.monotonic() - began, 1e-3)
            progress.update(task, advance=1, speed=f"{rate:,.0f} MB/s" if written else "")

        yield advance
