"""Settings: environment variables with the prefix SAMPLER_, and a TOML file that SAMPLER_SETTINGS names."""

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sampler.cpus import processors as processors
from sampler.dataset.images.decode import MAX_PIXELS
from sampler.dataset.index.cache import default_cache_dir
from sampler.errors import SamplerError
from service.errors.problems import expectation

PREFIX = "SAMPLER_"
FILE_VARIABLE = "SAMPLER_SETTINGS"
"""The environment variable that names a TOML file; variables win over the file."""

MEGABYTE = 1 << 20


class SettingsError(SamplerError):
    """A setting is unknown, malformed or out of range; the message is one line that names it."""


class Settings(BaseSettings):
    """What a server is started with. Each field is the environment variable SAMPLER_<FIELD>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    annotations: Path | None = Field(
        default=None, description="COCO-format `instances_*.json`; without it the demo dataset is served"
    )
    images: Path | None = Field(default=None, description="folder that the annotations' file names are relative to")
    config: str = Field(
        default="cornernet_saccade",
        description="`cornernet_saccade`, `cornernet`, `cornernet_squeeze`, or the path of a CornerNet-Lite JSON file",
    )
    keep_crowd: bool = Field(default=True, description="keep boxes marked `iscrowd`, as the published sampler does")
    workers: Annotated[int, Field(ge=1, le=1024)] = Field(
        default_factory=processors, description="processes that make samples (default: one per processor)"
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir,
        description="folder for the index, the decoded store and the demo dataset",
    )
    max_batch: int = Field(default=1024, ge=1, le=65536, description="most samples of one request")
    max_requests: int = Field(
        default=64, ge=1, le=65536, description="requests served at once; past it: 503 with Retry-After"
    )
    buffer_mb: int = Field(
        default=1024, ge=1, le=1 << 20, description="memory (MB) for samples made ahead of what clients have taken"
    )
    steps_ahead: int = Field(
        default=2, ge=0, le=1024, description="steps that a stream works ahead of the one being sent"
    )
    batch_cache_mb: int = Field(
        default=128, ge=0, le=1 << 20,
        description="part of that memory (MB) for batches kept for whoever asks for them again; 0: none",
    )  # fmt: skip
    decoded_cache_mb: int = Field(
        default=0, ge=0, le=1 << 24,
        description="memory (MB) for decoded images that all workers share, where there is no decoded store; 0: none",
    )  # fmt: skip
    max_body_kb: int = Field(default=1024, ge=1, le=1 << 20, description="largest request body (kB); past it: 413")
    max_image_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=1 << 30, description="images of more pixels are refused before they are decoded"
    )
    retry_after: int = Field(default=2, ge=1, le=3600, description="seconds that a 503 asks a client to wait")
    grace_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="time that a shutdown leaves to what is in flight"
    )
    job_seconds: float = Field(
        default=60.0, ge=1, le=3600, description="time for one sample, after which its worker is replaced"
    )
    stall_seconds: float = Field(
        default=600.0, ge=1, le=86400, description="time in which a client must take something, or its response is cut"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Settings":
        if (self.annotations is None) != (self.images is None):
            missing = "SAMPLER_IMAGES" if self.images is None else "SAMPLER_ANNOTATIONS"
            raise ValueError(f"{missing} is not set: annotations and images are set together, or neither for the demo")
        return self

    @field_validator("annotations", "images", "cache_dir")
    @classmethod
    def _expand_home(cls, path: Path | None) -> Path | None:
        try:
            return path.expanduser() if path else None
        except RuntimeError as error:
            raise ValueError("the home folder in front of it is not known; expected a path without ~") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by name; no .env is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over the TOML file."""
        file = os.environ.get(FILE_VARIABLE)
        if not file:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(file))


def load_settings() -> Settings:
    """Return the settings of this process. Raises `SettingsError`, one line, naming what is wrong and what is right."""
    _refuse_unknown_variables()
    file = os.environ.get(FILE_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(f"{FILE_VARIABLE} = {file}: no such file")
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(_line(dict(row), file) for row in error.errors())) from None
    except ValueError as error:  # a TOML file that does not parse, or a variable that is no JSON where JSON is due
        raise SettingsError(f"{file or 'settings'}: {' '.join(str(error).split())}") from None


def _refuse_unknown_variables() -> None:
    known = [PREFIX + name.upper() for name in Settings.model_fields] + [FILE_VARIABLE]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
            raise SettingsError(f"{name}: no such setting; {hint}")


def _line(row: dict[str, object], file: str | None) -> str:
    place = row["loc"]
    message = str(row["msg"]).removeprefix("Value error, ")
    if not isinstance(place, tuple) or not place:
        return message
    if row["type"] == "extra_forbidden":
        known = ", ".join(Settings.model_fields)
        return f"{file or 'settings'}: {place[0]}: no such setting; expected one of {known}"
    expected = f"expected {expectation(message)}" if message.startswith("Input should be ") else message
    return f"{PREFIX}{str(place[0]).upper()} = {row['input']!r}: {expected}"
