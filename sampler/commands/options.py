"""Options that several commands share."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sampler.cli.completion import one_of
from sampler.config.presets import PRESETS
from sampler.path_lists import expand_home, parse_locations, parse_paths


def paths_of_variable(variable: str, option: str = "") -> list[Path]:
    """Return the paths that an environment variable names.

    If it is not set, none; but with the name of a required option, this is an error of the command line.
    """
    text = _variable(variable, option)
    try:
        return [expand_home(path) for path in parse_paths(text)] if text else []
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=variable) from error


def locations_of_variable(variable: str, option: str = "") -> list[str]:
    """Return the locations of images that an environment variable names, like `paths_of_variable`."""
    text = _variable(variable, option)
    try:
        return [str(location) for location in parse_locations(text)] if text else []
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=variable) from error


def _variable(variable: str, option: str) -> str:
    text = os.environ.get(variable, "")
    if not text and option:
        settings = "; commands do not read SAMPLER_SETTINGS" if os.environ.get("SAMPLER_SETTINGS") else ""
        raise typer.BadParameter(f"set {option} or {variable}{settings}", param_hint=option)
    return text


def _expanded(path: Path | None) -> Path | None:
    """Return a path without a leading ~, which shells leave in variables."""
    try:
        return None if path is None else expand_home(path)
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}") from error


AnnotationsOption = Annotated[
    list[Path],
    typer.Option(
        default_factory=partial(paths_of_variable, "SAMPLER_ANNOTATIONS", "--annotations"),
        show_default=False,
        metavar="PATH",
        help="COCO-format annotation file, instances_*.json; repeat it to combine several files. "
        "Required, here or as the variable SAMPLER_ANNOTATIONS (one path or a JSON list).",
    ),
]
_IMAGES_HELP = (
    "Folder that file names are relative to, or s3://, gs://, az:// or https://; with several annotation files one for "
    "each, or one for all. "
    "The variable SAMPLER_IMAGES has one path or a JSON list."
)
ImagesOption = Annotated[
    list[str],
    typer.Option(
        default_factory=partial(locations_of_variable, "SAMPLER_IMAGES", "--images"),
        show_default=False,
        metavar="PATH",
        help=_IMAGES_HELP,
    ),
]
OptionalImagesOption = Annotated[
    list[str],
    typer.Option(
        "--images",
        default_factory=partial(locations_of_variable, "SAMPLER_IMAGES"),
        show_default=False,
        metavar="PATH",
        help=_IMAGES_HELP,
    ),
]
SubsetOption = Annotated[
    Path | None,
    typer.Option(
        envvar="SAMPLER_SUBSET",
        callback=_expanded,
        help="File of image ids, a JSON list or one id per line: use only these images, as a separate dataset.",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        envvar="SAMPLER_CACHE_DIR",
        callback=_expanded,
        help="Folder for indexes, entry points and decoded images (default: the user's cache folder).",
    ),
]
CONFIG_HELP = "Preset, or path of a CornerNet-Lite JSON file."
ConfigOption = Annotated[str, typer.Option(envvar="SAMPLER_CONFIG", autocompletion=one_of(PRESETS), help=CONFIG_HELP)]
ConfigArgument = Annotated[
    str, typer.Argument(envvar="SAMPLER_CONFIG", autocompletion=one_of(PRESETS), help=CONFIG_HELP)
]
KeepCrowdOption = Annotated[
    bool, typer.Option(envvar="SAMPLER_KEEP_CROWD", help="Whether boxes marked iscrowd are used.")
]
FollowLinksOption = Annotated[
    bool,
    typer.Option(envvar="SAMPLER_FOLLOW_LINKS", help="Read image files through links that leave the image folder."),
]
MaxImagePixelsOption = Annotated[
    int,
    typer.Option(
        min=1, max=1 << 30, envvar="SAMPLER_MAX_IMAGE_PIXELS", help="Images with more pixels are not decoded."
    ),
]
SubstituteOption = Annotated[
    Path | None,
    typer.Option(
        envvar="SAMPLER_SUBSTITUTE",
        callback=_expanded,
        help="File with the ids of unusable images, as `verify --unusable` writes it. Others are used instead.",
    ),
]
ExamplesOption = Annotated[int, typer.Option(min=0, help="How many examples of each fault to show.")]
