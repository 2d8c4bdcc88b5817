"""The command `serve`, also `python -m service`.

Importing this module does not load FastAPI, for which the help of other commands would have to wait.
"""

from typing import Annotated

import typer

from sampler.cli.interrupts import ends_at_once
from service.server.options import (
    AnnotationsOption,
    CacheOption,
    CertificateOption,
    ConfigOption,
    ImagesOption,
    KeyOption,
    LogFormatOption,
    LogLevelOption,
    SettingsOption,
    WorkersOption,
    given_settings,
)


def serve(
    host: Annotated[
        str,
        typer.Option(
            help="Name or address to accept connections on; 0.0.0.0 for all networks, with SAMPLER_TOKEN set."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 8000,
    annotations: AnnotationsOption = None,
    images: ImagesOption = None,
    config: ConfigOption = None,
    workers: WorkersOption = None,
    cache_dir: CacheOption = None,
    settings: SettingsOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", show_default=False, help="Prefix that a proxy removes from paths.")
    ] = "",
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
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
    given = given_settings(annotations, images, config, workers, cache_dir, tls_cert, tls_key, log_level, log_format)
    with ends_at_once():
        from service.server import run  # only a server needs FastAPI, which takes a second to import

        run.run(run.Place(host, port, fd, root_path), given, settings)
