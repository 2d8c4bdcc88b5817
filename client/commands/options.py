"""Command-line options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from sampler.arrays import LAYOUTS
from sampler.cli.completion import one_of

UrlsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL",
        help="The server, such as http://cpu-host:8000, or several that are used as one (default: SAMPLER_URL).",
        show_default=False,
    ),
]
DatasetOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="One of the server's datasets (default: the first).")
]
LayoutOption = Annotated[
    str, typer.Option(autocompletion=one_of(LAYOUTS), help="How samples travel: compact, sparse or dense.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the samples, 0 and up.")]
CaOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM file of the CA of the server's certificate, if it is private.")
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File with the server's token (default: SAMPLER_TOKEN, or the file SAMPLER_TOKEN_FILE)."
    ),
]
"""A file, because other users of the machine see command lines."""
AttemptsOption = Annotated[int, typer.Option(help="How often to try in all.")]
