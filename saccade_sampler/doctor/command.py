"""The command `doctor`.

Importing this module loads neither the server nor the client, for which the help of other commands would have to wait.
"""

from typing import Annotated

import typer

from client.commands.options import CaOption, DatasetOption, TokenFileOption
from saccade_sampler.doctor.report import document, lines
from sampler.cli.exit_status import FINDINGS
from sampler.cli.output import JsonOption, Output, QuietOption
from service.server.options import (
    AnnotationsOption,
    CacheOption,
    CertificateOption,
    ConfigOption,
    ImagesOption,
    KeyOption,
    SettingsOption,
    WorkersOption,
    given_settings,
)


def doctor(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="URL", show_default=False, help="Servers that this host is to use (default: SAMPLER_URL)."
        ),
    ] = None,
    annotations: AnnotationsOption = None,
    images: ImagesOption = None,
    config: ConfigOption = None,
    workers: WorkersOption = None,
    cache_dir: CacheOption = None,
    settings: SettingsOption = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    dataset: DatasetOption = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Samples of a batch of one rank, for the memory of a loader.")
    ] = 48,
    ca: CaOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check this host and the servers that it uses, and say what to do about each problem.

    Checks memory, shared memory, disk, descriptors, permissions, CPU, packages, servers, their digests and clocks.
    The settings of a server are those of `serve`: options, variables or the settings file.
    The exit status is 1 if there is a problem.
    """
    from saccade_sampler.doctor.run import Subject, examine  # the help of commands does not need httpx

    given = given_settings(annotations, images, config, workers, cache_dir, tls_cert, tls_key, None, None)
    output = Output(as_json, quiet)
    with output.spinner() as show:
        findings = examine(Subject(given, settings, urls or (), batch_size, dataset, ca, token_file), show)
    for line in lines(findings):
        output.line(line)
    output.document(document(findings))
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(FINDINGS)
