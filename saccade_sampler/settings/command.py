"""The command `settings`.

Importing this module loads neither the server nor the client, for which the help of other commands would have to wait.
"""

from pathlib import Path
from typing import Any

import typer

from saccade_sampler.settings.rows import Row, as_json, as_text
from sampler.cli.errors import CommandError, needs_extra
from sampler.cli.exit_status import CANNOT_RUN
from sampler.cli.output import JsonOption, QuietOption
from sampler.printable import printable
from service.server.options import (
    AnnotationsOption,
    CacheOption,
    CertificateOption,
    ConfigOption,
    ImagesOption,
    KeyOption,
    LogLevelOption,
    SettingsOption,
    WorkersOption,
    given_settings,
)


def settings(
    annotations: AnnotationsOption = None,
    images: ImagesOption = None,
    config: ConfigOption = None,
    workers: WorkersOption = None,
    cache_dir: CacheOption = None,
    settings_file: SettingsOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    log_level: LogLevelOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show each setting of a server and of clients with its value and where it comes from.

    The options are those of `serve`: the values are the ones that `serve` would use here.
    Secrets are hidden.
    If settings are unknown or invalid, each is one line on stderr, and the exit status is 2.
    """
    given = given_settings(annotations, images, config, workers, cache_dir, tls_cert, tls_key, log_level)
    rows, problems = _collected(given, settings_file)
    if json_output:
        typer.echo(as_json(rows, problems))
    elif not quiet:
        typer.echo(as_text(rows))
    for problem in problems:
        typer.echo(f"error: {printable(' '.join(problem.split()))}", err=True)
    if problems:
        raise typer.Exit(CANNOT_RUN)


def _collected(given: dict[str, Any], settings_file: Path | None) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return all settings; those of clients only, if no server is installed and no setting of one was given."""
    from saccade_sampler.settings.client import client_settings  # the help of commands does not need httpx

    try:
        with needs_extra("a server", "server"):
            from saccade_sampler.settings.server import server_settings  # training nodes do not have what it needs
    except CommandError as error:
        if given or settings_file:
            raise
        rows, problems = client_settings(check_token=True)
        note = Row("server", "settings", None, "default", f"not shown, because {error}")
        return (*rows, note), problems
    server = server_settings(given, settings_file)
    rows, problems = client_settings(check_token=False)
    return server.rows + rows, server.problems + problems
