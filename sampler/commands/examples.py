"""Lines about findings: some of each kind, and how many more there are."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from sampler.errors import ImageError
from sampler.printable import printable


def print_examples(console: Console, kind: str, examples: Sequence[str], count: int) -> None:
    """Print the examples of a kind, one a line. count: how many there are in all."""
    for example in examples:
        console.print(f"[bold]{kind}[/bold] {escape(printable(example))}", soft_wrap=True)
    if count > len(examples) > 0:
        console.print(f"[bold]{kind}[/bold] … and {count - len(examples):,} more")


def print_errors(console: Console, errors: Sequence[ImageError], examples: int) -> None:
    """Print up to `examples` errors of each kind."""
    for kind, count in Counter(error.kind for error in errors).items():
        found = [f"{error.file}: {error.cause}" for error in errors if error.kind == kind]
        print_examples(console, kind, found[:examples], count)
