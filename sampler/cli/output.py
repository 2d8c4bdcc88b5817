"""What a command prints: tables and lines for people, one JSON document for programs, or nothing but errors."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from sampler.errors import ImageError
from sampler.printable import printable
from sampler.progress import Advance, progress_bar, spinner

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only: no text and no progress.")]

WIDEST = 100_000
"""Columns of a table that no terminal has."""


class Output:
    """Prints the result of a command, and its progress on stderr.

    Attributes:
        console: prints text; nothing with --json or --quiet.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.console = Console(highlight=False, quiet=as_json or quiet)
        self._as_json = as_json
        self._quiet = quiet

    def line(self, text: str) -> None:
        """Print a line, which only the terminal wraps."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    def facts(self, title: str, rows: Iterable[tuple[str, object]]) -> None:
        """Print names with their values as a table."""
        table = Table(Column(title), Column(), show_header=False)
        for name, value in rows:
            table.add_row(Text(printable(name)), Text(printable(str(value))))
        self.table(table)

    def table(self, table: Table) -> None:
        """Print a table at its full width: no path or value is cut or folded.

        If a terminal is narrower, it wraps the rows, which then have no frame and no spaces at their end.
        """
        for column in table.columns:
            column.no_wrap = column.max_width is None
        options = self.console.options.update(max_width=WIDEST)
        width = Measurement.get(self.console, options, table).maximum
        wide = Console(highlight=False, quiet=self.console.quiet, width=max(self.console.width, width))
        if width <= self.console.width or not self.console.is_terminal:
            wide.print(table)
            return
        table.box = None
        with wide.capture() as rows:
            wide.print(table)
        self.console.out(*(line.rstrip() for line in rows.get().splitlines()), sep="\n", highlight=False)

    def document(self, document: Any) -> None:
        """Print the result as JSON, if it is asked for."""
        if self._as_json:
            typer.echo(json.dumps(document, indent=2))

    def spinner(self) -> AbstractContextManager[Callable[[str], None]]:
        """Show the current step of a task of unknown length; see `sampler.progress.spinner`."""
        return spinner(show=not self._quiet)

    def progress_bar(self, title: str, total: int, completed: int = 0) -> AbstractContextManager[Advance]:
        """Show how many of `total` items are done; see `sampler.progress.progress_bar`."""
        return progress_bar(title, total, completed, show=not self._quiet)

    def examples(self, kind: str, examples: Sequence[str], count: int) -> None:
        """Print the examples of a kind of finding, one a line. count: how many there are in all."""
        for example in examples:
            self.console.print(Text.assemble((kind, "bold"), " ", printable(example)), soft_wrap=True)
        if count > len(examples) > 0:
            self.console.print(Text.assemble((kind, "bold"), f" … and {count - len(examples):,} more"), soft_wrap=True)

    def errors(self, errors: Sequence[ImageError], examples: int) -> None:
        """Print up to `examples` errors of each kind."""
        for kind, entry in errors_by_kind(errors, examples).items():
            self.examples(kind, [f"{one['file']}: {one['cause']}" for one in entry["examples"]], entry["count"])


def errors_by_kind(errors: Sequence[ImageError], examples: int) -> dict[str, Any]:
    """Return how many errors of each kind there are, and the first `examples`, for JSON; the most frequent first."""
    return {
        kind: {
            "count": count,
            "examples": [
                {"file": error.file, "cause": error.cause} for error in errors if error.kind == kind
            ][:examples],
        }
        for kind, count in Counter(error.kind for error in errors).most_common()
    }  # fmt: skip
