"""Settings: environment variables with the prefix SAMPLER_, and the TOML file that SAMPLER_SETTINGS names."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sampler.cache_folder import default_cache_dir
from sampler.cpus import available_cpus
from sampler.dataset.images.decode import MAX_PIXELS, Damaged
from sampler.errors import SamplerError
from sampler.path_lists import expand_home, parse_paths
from sampler.system_errors import explain
from sampler.text_files import read_text
from service.errors.problems import expectation
from service.kubernetes import service_variables
from service.workers.memory_limit import default_allowance

PREFIX = "SAMPLER_"
FILE_VARIABLE = "SAMPLER_SETTINGS"
"""The environment variable that names the TOML file. Variables override the file."""

MEGABYTE = 1 << 20


class SettingsError(SamplerError):
    """A setting is unknown, malformed or out of range. The message is one line that names it."""


INHERITED = ("config", "keep_crowd", "damaged", "follow_links", "entry_points")
"""Settings of a dataset that it takes from the server's settings where it does not have its own."""


def as_paths(value: object) -> object:
    """Return one path or a JSON list of paths, as text, as a tuple; any other value as it is. Raises ValueError."""
    if isinstance(value, str):
        return parse_paths(value) if value else None
    return (value,) if isinstance(value, Path) else value


Paths = Annotated[tuple[Path, ...], Field(min_length=1)]

DATASET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


class DatasetSettings(BaseModel):
    """The settings of one dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    annotations: Paths | None = Field(
        default=None,
        description="annotation file (COCO `instances_*.json`), or a JSON list of several that are combined into one "
        "dataset; if unset, the demo dataset is served",
    )
    images: Paths | None = Field(
        default=None,
        description="image folder, or a JSON list with the folder of each annotation file; file names in the "
        "annotations are relative to it",
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

    @field_validator("annotations", "images", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return as_paths(value)

    @field_validator("annotations", "images")
    @classmethod
    def _expand_homes(cls, paths: tuple[Path, ...] | None) -> tuple[Path, ...] | None:
        return tuple(expand_home(path) for path in paths) if paths else None

    @field_validator("subset", "substitute")
    @classmethod
    def _expand_home(cls, path: Path | None) -> Path | None:
        return expand_home(path) if path else None


class Settings(DatasetSettings):
    """The settings of a server. Each field except `datasets` is the environment variable SAMPLER_<FIELD>.

    The settings of a dataset are those of the only dataset; several are tables of the file.
    """

    workers: Annotated[int, Field(ge=1, le=1024)] = Field(
        default_factory=available_cpus, description="worker processes that make samples (default: one per CPU)"
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir,
        description="folder for the index, entry points, the decoded store and the demo dataset",
    )
    max_batch: int = Field(default=1024, ge=1, le=65536, description="largest number of samples per batch and rank")
    max_requests: int = Field(
        default=64, ge=1, le=65536, description="requests served at once; further ones get 503 with Retry-After"
    )
    buffer_mb: int = Field(
        default=1024, ge=1, le=1 << 20, description="memory (MB) for prefetched samples and cached batches"
    )
    steps_ahead: int = Field(default=2, ge=0, le=1024, description="steps that a stream prefetches")
    batch_cache_mb: int = Field(
        default=128, ge=0, le=1 << 20,
        description="part of SAMPLER_BUFFER_MB for the batch cache; 0 disables it",
    )  # fmt: skip
    decoded_cache_mb: int = Field(
        default=0, ge=0, le=1 << 24,
        description="memory (MB) for the image cache, used if there is no decoded store; 0 disables it",
    )  # fmt: skip
    max_body_kb: int = Field(
        default=1024, ge=1, le=1 << 20, description="largest request body (kB); larger ones get 413"
    )
    max_image_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=1 << 30, description="images with more pixels are rejected before decoding"
    )
    worker_memory_mb: int | None = Field(
        default=None, ge=64, le=1 << 24,
        description="memory (MB) that a worker may allocate after its start; samples that need more fail "
        "(default: 256, and 24 bytes for each of SAMPLER_MAX_IMAGE_PIXELS)",
    )  # fmt: skip
    retry_after: int = Field(default=2, ge=1, le=3600, description="seconds a client waits after a 503 (Retry-After)")
    grace_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="seconds for responses in flight to finish at shutdown"
    )
    job_seconds: float = Field(
        default=60.0, ge=1, le=3600, description="timeout (seconds) for one sample; its worker is then replaced"
    )
    stall_seconds: float = Field(
        default=600.0, ge=1, le=86400,
        description="timeout (seconds) after which a client that reads nothing is disconnected",
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="lowest level that is logged"
    )
    datasets: dict[Annotated[str, Field(pattern=f"^{DATASET_NAME}$")], DatasetSettings] = Field(
        default_factory=dict, description="several datasets by name, in the file only: tables `[datasets.NAME]`"
    )

    @property
    def worker_memory(self) -> int:
        """Bytes that a worker may allocate."""
        given = self.worker_memory_mb
        return default_allowance(self.max_image_pixels) if given is None else given * MEGABYTE

    @property
    def served(self) -> dict[str | None, DatasetSettings]:
        """The settings of each dataset by name, the default first. The only dataset has no name."""
        return dict(self.datasets.items()) if self.datasets else {None: self}

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: dict[str, Any]) -> dict[str, Any]:
        tables = values.get("datasets")
        if not isinstance(tables, dict):
            return values
        inherited = {name: values[name] for name in INHERITED if name in values}
        own = {name: inherited | table if isinstance(table, dict) else table for name, table in tables.items()}
        return {**values, "datasets": own}

    @model_validator(mode="after")
    def _datasets_are_complete(self) -> Self:
        if not self.datasets:
            self._check_only_dataset()
            return self
        given = (self.model_fields_set & DatasetSettings.model_fields.keys()) - set(INHERITED)
        if given:
            raise ValueError(
                f"{', '.join(sorted(PREFIX + name.upper() for name in given))}: set together with [datasets.…]; "
                f"set it in the table of each dataset in {FILE_VARIABLE}"
            )
        for name, dataset in self.datasets.items():
            missing = [field for field in ("annotations", "images") if getattr(dataset, field) is None]
            if missing:
                state = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
                raise ValueError(f"datasets.{name}: {state}; each dataset needs annotations and images in its table")
        return self

    def _check_only_dataset(self) -> None:
        if (self.annotations is None) != (self.images is None):
            missing = "SAMPLER_IMAGES" if self.images is None else "SAMPLER_ANNOTATIONS"
            raise ValueError(f"{missing} is not set; set annotations and images, or neither to serve the demo dataset")
        if self.subset is not None and self.annotations is None:
            raise ValueError("SAMPLER_SUBSET is set without SAMPLER_ANNOTATIONS; set the annotations that it is of")

    @field_validator("cache_dir")
    @classmethod
    def _expand_cache_home(cls, path: Path) -> Path:
        return expand_home(path)


def variables() -> list[str]:
    """Return the names of all environment variables that are settings."""
    return [PREFIX + name.upper() for name in Settings.model_fields if name != "datasets"] + [FILE_VARIABLE]


_EXPECTED = {
    "path_type": "a path",
    "tuple_type": "a path or a list of paths",
    "too_short": "at least one path",
    "dict_type": "tables such as [datasets.train]",
    "model_type": "a table such as [datasets.train]",
    "string_pattern_mismatch": "a name of letters, digits, '.', '_' and '-'",
}
"""What pydantic's errors of these types expect, in words of the settings file."""


def load_settings() -> Settings:
    """Return the settings from the environment and the file. Raises `SettingsError`."""
    file = os.environ.get(FILE_VARIABLE)
    try:
        values = _read_file(Path(file)) if file else {}
        return Settings.model_validate(values | _read_environment())
    except ValidationError as error:
        raise SettingsError("; ".join(_describe(row, file) for row in error.errors())) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(expand_home(file)))
    except FileNotFoundError:
        raise SettingsError(f"{FILE_VARIABLE} = {file}: no such file") from None
    except OSError as error:
        cause = explain(error, file, "name a TOML file that this user can read")
        raise SettingsError(f"{FILE_VARIABLE} = {file}: cannot be read: {cause}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from None


def _read_environment() -> dict[str, str]:
    """Return the variables that are set and not empty, by field. Raises `SettingsError` for unknown names."""
    known = variables()
    ignored = service_variables(os.environ)
    given = {name: os.environ[name] for name in sorted(os.environ) if name.startswith(PREFIX) and name not in ignored}
    for name in sorted(given.keys() - known):
        raise SettingsError(f"{name}: no such setting; {_hint(name, known)}")
    return {
        name.removeprefix(PREFIX).lower(): value for name, value in given.items() if value and name != FILE_VARIABLE
    }


def _describe(error: Mapping[str, Any], file: str | None) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name, *inner = (str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        known = list(DatasetSettings.model_fields if inner else Settings.model_fields)
        unknown = inner[-1] if inner else name
        return f"{file or 'settings'}: {'.'.join([name, *inner])}: no such setting; {_hint(unknown, known)}"
    expected = _EXPECTED.get(error["type"]) or (expectation(message) if message.startswith("Input should be ") else "")
    problem = f"{error['input']!r}: {f'expected {expected}' if expected else message}"
    if name == "datasets":
        return f"{file}: {'.'.join([name, *inner])} = {problem}"
    return f"{PREFIX}{name.upper()} = {problem}"


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
