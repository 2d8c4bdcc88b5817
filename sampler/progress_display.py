"""Spinner and progress bar on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.table import Column

from sampler.printable import printable

OTHERS = 50
"""Characters of a line apart from title and numbers, with a short bar. In a narrower terminal Rich would cut words."""


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
    console = Console(stderr=True)
    columns = _wide() if console.width >= len(title) + 2 * len(str(total)) + OTHERS else _narrow()
    began, written = time.monotonic(), 0
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total, completed=completed, speed="")

        def advance(nbytes: int = 0) -> None:
            nonlocal written
            written += nbytes
            rate = written / 1e6 / max(time.monotonic() - began, 1e-3)
            progress.update(task, advance=1, speed=f"{rate:,.0f} MB/s" if written else "")

        yield advance


def _wide() -> tuple[ProgressColumn, ...]:
    columns = TextColumn("{task.description}"), BarColumn(), _count(), TextColumn("{task.fields[speed]}")
    return *columns, TimeElapsedColumn(_fixed()), TextColumn("elapsed,"), TimeLeftColumn(table_column=_fixed()), _left()


def _narrow() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), _count(), TimeLeftColumn(table_column=_fixed()), _left()


def _count() -> MofNCompleteColumn:
    return MofNCompleteColumn(table_column=_fixed())


def _left() -> TextColumn:
    return TextColumn("left")


def _fixed() -> Column:
    """Return how a column is laid out that keeps its width, so that the bar is shortened instead."""
    return Column(no_wrap=True)
