"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

AnnotationsOption = Annotated[
    Path, typer.Option(envvar="SAMPLER_ANNOTATIONS", help="COCO-format annotation file, instances_*.json.")
]
ImagesOption = Annotated[Path, typer.Option(envvar="SAMPLER_IMAGES", help="Folder that file names are relative to.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        envvar="SAMPLER_CACHE_DIR", help="Folder for indexes and decoded images (default: the user's cache folder)."
    ),
]
KeepCrowdOption = Annotated[
    bool, typer.Option(envvar="SAMPLER_KEEP_CROWD", help="Whether boxes marked iscrowd are used.")
]
FollowLinksOption = Annotated[
    bool,
    typer.Option(envvar="SAMPLER_FOLLOW_LINKS", help="Read image files through links that leave the image folder."),
]
SubstituteOption = Annotated[
    Path | None,
    typer.Option(
        envvar="SAMPLER_SUBSTITUTE",
        help="File with the ids of unusable images, as `verify --unusable` writes it. Others are used instead.",
    ),
]
ExamplesOption = Annotated[int, typer.Option(min=0, help="How many examples of each fault to show.")]
