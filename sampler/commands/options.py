"""Options that several commands have in common."""

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
        envvar="SAMPLER_CACHE_DIR", help="Where indexes and decoded images are kept; the user's cache folder."
    ),
]
