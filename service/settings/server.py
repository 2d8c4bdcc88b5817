"""The settings of a server."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sampler.cache_folder import default_cache_dir
from sampler.cpus import available_cpus
from sampler.path_lists import expand_home
from service.log_lines import LogFormat
from service.settings.access import AccessSettings
from service.settings.datasets import DATASET_NAME, INHERITED, DatasetSettings
from service.settings.limits import LimitSettings

PREFIX = "SAMPLER_"
FILE_VARIABLE = "SAMPLER_SETTINGS"
"""The environment variable that names the TOML file. Variables override the file."""


class Settings(AccessSettings, LimitSettings, DatasetSettings):
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
    tls_cert: Path | None = Field(
        default=None, description="certificate chain (PEM) with which `serve` speaks https; restart after a renewal"
    )
    tls_key: Path | None = Field(
        default=None, description="its private key (PEM, without a password), if it is in another file"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="lowest level that is logged"
    )
    log_format: LogFormat = Field(
        default="text", description="form of the log: `text`, or `json` with one object in each line"
    )
    datasets: dict[Annotated[str, Field(pattern=f"^{DATASET_NAME}$")], DatasetSettings] = Field(
        default_factory=dict, description="several datasets by name, in the file only: tables `[datasets.NAME]`"
    )

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
        if self.tls_key is not None and self.tls_cert is None:
            raise ValueError("SAMPLER_TLS_KEY is set without SAMPLER_TLS_CERT; set the certificate that it belongs to")
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

    @field_validator("cache_dir", "tls_cert", "tls_key")
    @classmethod
    def _expand_home_of_files(cls, path: Path | None) -> Path | None:
        return expand_home(path) if path else None
