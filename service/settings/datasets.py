"""The settings of one dataset."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sampler.dataset.images.decode import Damaged
from sampler.path_lists import Location, as_location, expand_home, parse_locations, parse_paths

INHERITED = ("config", "keep_crowd", "damaged", "follow_links", "entry_points")
"""Settings of a dataset that it takes from the server's settings where it does not have its own."""


def as_paths(value: object) -> object:
    """Return one path or a JSON list of paths, as text, as a tuple; any other value as it is. Raises ValueError."""
    if isinstance(value, str):
        return parse_paths(value) if value else None
    return (value,) if isinstance(value, Path) else value


def as_locations(value: object) -> object:
    """Return one location or a list of them, as text, as a tuple; any other value as it is. Raises ValueError."""
    if isinstance(value, str):
        return parse_locations(value) if value else None
    if isinstance(value, Path):
        return (expand_home(value),)
    if isinstance(value, list | tuple):
        return tuple(as_location(one) if isinstance(one, str | Path) else one for one in value)
    return value


Paths = Annotated[tuple[Path, ...], Field(min_length=1)]
Locations = Annotated[tuple[Location, ...], Field(min_length=1)]

DATASET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


class DatasetSettings(BaseModel):
    """The settings of one dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    annotations: Paths | None = Field(
        default=None,
        description="annotation file (COCO `instances_*.json`), or a JSON list of several that are combined into one "
        "dataset; if unset, the demo dataset is served",
    )
    images: Locations | None = Field(
        default=None,
        description="image folder or URL (`s3://`, `gs://`, `az://`, `https://`), or a JSON list with that of each "
        "annotation file; file names in the annotations are relative to it",
    )
    subset: Path | None = Field(
        default=None,
        description="file of image ids, a JSON list or one id per line; only these images are served, as a separate "
        "dataset",
    )
    config: str = Field(
        default="cornernet_saccade",
        description="`cornernet_saccade`, `cornernet`, `cornernet_squeeze`, or the path of a CornerNet-Lite JSON file",
    )
    keep_crowd: bool = Field(default=True, description="keep boxes marked `iscrowd`, as the published sampler does")
    damaged: Damaged = Field(
        default="serve",
        description="`serve` gives OpenCV's pixels of damaged images and logs a warning, `refuse` fails their samples",
    )
    follow_links: bool = Field(default=False, description="read image files through links that leave the image folder")
    entry_points: bool = Field(
        default=True,
        description="record where decoding can begin in JPEG files, and decode only the part of them that a crop needs",
    )
    substitute: Path | None = Field(
        default=None,
        description="file with the ids of unusable images, as `verify --unusable` writes it; others are used instead",
    )

    @field_validator("annotations", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return as_paths(value)

    @field_validator("images", mode="before")
    @classmethod
    def _split_locations(cls, value: object) -> object:
        return as_locations(value)

    @field_validator("annotations")
    @classmethod
    def _expand_homes(cls, paths: tuple[Path, ...] | None) -> tuple[Path, ...] | None:
        return tuple(expand_home(path) for path in paths) if paths else None

    @field_validator("subset", "substitute")
    @classmethod
    def _expand_home(cls, path: Path | None) -> Path | None:
        return expand_home(path) if path else None
