"""What a person sees on stderr while something takes long."""

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
