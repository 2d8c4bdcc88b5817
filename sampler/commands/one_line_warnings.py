"""Warnings about config files, as one line each on stderr."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from sampler.config.cornernet_lite import IgnoredKeysWarning
from sampler.printable import printable


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Print every `IgnoredKeysWarning` of a block to stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IgnoredKeysWarning)
        yield
    for warning in caught:
        typer.echo(f"warning: {printable(str(warning.message))}", err=True)
