"""What a person sees on stderr while something takes long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn


@contextmanager
def steps(show: bool) -> Iterator[Callable[[str], None]]:
    """A function that is told each step of a task of unknown length, and shows it beside a spinner."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    console = Console(stderr=True)
    # Where nobody watches, a spinner is noise in a log.
    hidden = not (show and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=None)
        yield lambda step: progress.update(task, description=step)


@contextmanager
def bar(what: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    """A function that is called after each of `total` equal parts of a task, and moves a bar."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeLeftColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def pixel_bar(what: str, total: int, done: int, show: bool) -> Iterator[Callable[[int], None]]:
    """A function that is called with the bytes of each of `total` images, `done` of which are behind; moves a bar."""
    speed = TextColumn("{task.fields[speed]}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), speed, TimeElapsedColumn()
    began, written = time.monotonic(), 0
    with Progress(*columns, TimeLeftColumn(), console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task(what, total=total, completed=done, speed="")

        def advance(nbytes: int) -> None:
            nonlocal written
            written += nbytes
            rate = written / 1e6 / max(time.monotonic() - began, 1e-3)
            progress.update(task, advance=1, speed=f"{rate:,.0f} MB/s" if written else "")

        yield advance
