"""The command `settings`.

Importing this module loads neither the server nor the client, for which the help of other commands would have to wait.
"""

from pathlib import Path
from typing import Any

from saccade_sampler.settings.rows import Row, document, lines
from sampler.cli.errors import CommandError, failed, needs_extra
from sampler.cli.output import JsonOption, Output, QuietOption
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
    log_format: LogFormatOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show each setting of a server and of clients with its value and where it comes from.

    The options are those of `serve`: the values are the ones that `serve` would use here.
    Secrets are hidden.
    If settings are unknown or invalid, each is one line on stderr, and the exit status is 2.
    """
    given = given_settings(annotations, images, config, workers, cache_dir, tls_cert, tls_key, log_level, log_format)
    rows, problems, notes = _collected(given, settings_file)
    output = Output(as_json, quiet)
    for line in (*lines(rows), *(f"note: {note}" for note in notes)):
        output.line(line)
    output.document(document(rows, problems, notes))
    ends = [failed(problem) for problem in problems]
    if ends:
        raise ends[-1]


def _collected(
    given: dict[str, Any], settings_file: Path | None
) -> tuple[tuple[Row, ...], tuple[str, ...], tuple[str, ...]]:
    """Return settings, problems and notes; those of clients only, if no server is installed and no option was given."""
    from saccade_sampler.settings.client import client_settings  # the help of commands does not need httpx

    try:
        with needs_extra("a server", "server"):
            from saccade_sampler.settings.server import server_settings  # training nodes do not have what it needs
    except CommandError as error:
        if given or settings_file:
            raise
        rows, problems = client_settings(check_token=True)
        return rows, problems, (f"the settings of a server are not shown: {error}",)
    server = server_settings(given, settings_file)
    rows, problems = client_settings(check_token=False)
    return server.rows + rows, server.problems + problems, ()
