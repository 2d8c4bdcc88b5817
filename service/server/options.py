"""Command-line options that are settings of a server, shared by the commands that start or inspect one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.cli.completion import one_of
from sampler.config.presets import PRESETS

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")

AnnotationsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH",
        show_default=False,
        help="COCO-format annotation file; repeat it to combine several. Without any, the demo dataset is served.",
    ),
]
ImagesOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH", show_default=False, help="Image folder or URL, or one for each annotation file."),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        metavar="CONFIG",
        autocompletion=one_of(PRESETS),
        show_default=False,
        help="cornernet_saccade, cornernet, cornernet_squeeze, or the path of a CornerNet-Lite JSON file.",
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(show_default=False, help="Processes that make samples (default: one per CPU).")
]
CacheOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", show_default=False, help="Folder for indexes, entry points and decoded images."),
]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="PATH", show_default=False, help="TOML file with settings (SAMPLER_SETTINGS)."),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", show_default=False, help="Certificate chain (PEM): serve https instead of http."),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", show_default=False, help="Its key (default: in the file of the certificate)."),
]
LogLevelOption = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        show_default=False,
        autocompletion=one_of(LOG_LEVELS),
        help=f"Lowest level to log: {', '.join(LOG_LEVELS)}.",
    ),
]

LogFormatOption = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        show_default=False,
        autocompletion=one_of(LOG_FORMATS),
        help=f"Form of the log: {' or '.join(LOG_FORMATS)}.",
    ),
]


def given_settings(
    annotations: Sequence[Path] | None,
    images: Sequence[str] | None,
    config: str | None,
    workers: int | None,
    cache_dir: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    log_level: str | None,
    log_format: str | None,
) -> dict[str, Any]:
    """Return the options that were given, by field of the settings."""
    options = {
        "annotations": tuple(annotations) if annotations else None,
        "images": tuple(images) if images else None,
        "config": config,
        "workers": workers,
        "cache_dir": cache_dir,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "log_level": log_level,
        "log_format": log_format,
    }
    return {name: value for name, value in options.items() if value is not None}
