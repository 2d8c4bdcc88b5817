"""The command `serve`, also `python -m service`.

Importing this module does not load FastAPI, for which the help of other commands would have to wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sampler.commands.program import OneLineErrorsCommand
from sampler.errors import SamplerError
from service.interrupts import ends_at_once

PROGRAM = "python -m service"

LOG_LEVELS = ("debug", "info", "warning", "error")


class MissingServerError(SamplerError):
    """A package that only servers need is not installed."""


@contextmanager
def server_extra() -> Iterator[None]:
    """Raise MissingServerError if an import in the block fails because the extra `server` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("service", "sampler", "client", "saccade_sampler"):
            raise
        raise MissingServerError(
            f"a server needs {error.name}, which is not installed: pip install 'saccade-sampler[server]'"
        ) from error


def serve(
    host: Annotated[
        str,
        typer.Option(
            help="Name or address to accept connections on; 0.0.0.0 for all networks, with SAMPLER_TOKEN set."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            show_default=False,
            help="COCO-format annotation file; repeat it to combine several. Without any, the demo dataset is served.",
        ),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", show_default=False, help="Image folder or URL, or one for each annotation file."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIG",
            show_default=False,
            help="cornernet_saccade, cornernet, cornernet_squeeze, or the path of a CornerNet-Lite JSON file.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(show_default=False, help="Processes that make samples (default: one per CPU).")
    ] = None,
    cache_dir: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="Folder for indexes, entry points and decoded images."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="TOML file with settings (SAMPLER_SETTINGS)."),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="Certificate chain (PEM): serve https instead of http."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="Its key (default: in the file of the certificate)."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", show_default=False, help="Prefix that a proxy removes from paths.")
    ] = "",
    log_level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", show_default=False, help=f"Lowest level to log: {', '.join(LOG_LEVELS)}."),
    ] = None,
    fd: Annotated[
        int | None,
        typer.Option(min=0, show_default=False, help="Inherited socket to accept connections on, instead of a port."),
    ] = None,
) -> None:
    """Serve batches over HTTP.

    Every setting can also be a variable (SAMPLER_WORKERS=8) or a line of the settings file.
    Options win over variables, variables over the file.
    The token is SAMPLER_TOKEN or SAMPLER_TOKEN_FILE.
    Without a dataset, the demo dataset is served.
    """
    options = {
        "annotations": tuple(annotations) if annotations else None,
        "images": tuple(images) if images else None,
        "config": config,
        "workers": workers,
        "cache_dir": cache_dir,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "log_level": log_level,
    }
    with ends_at_once():
        with server_extra():
            from service.server import run  # only a server needs FastAPI, which takes a second to import
        given = {name: value for name, value in options.items() if value is not None}
        run.run(run.Place(host, port, fd, root_path), given, settings)


def program() -> None:
    """Run `python -m service`."""
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command(cls=OneLineErrorsCommand)(serve)
    app(prog_name=PROGRAM)
