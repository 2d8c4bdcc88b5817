"""The settings of a server with their origins, read and checked as `serve` does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from saccade_sampler.settings.rows import Row, RowOrigin, plain
from sampler.errors import SamplerError
from service.descriptors import descriptor_limit
from service.server.connection_cap import connection_cap
from service.settings.access import AccessSettings
from service.settings.datasets import INHERITED, DatasetSettings
from service.settings.limits import MEGABYTE, LimitSettings
from service.settings.load import SettingsError, checked
from service.settings.server import Settings
from service.settings.sources import Sources, read_sources

_GROUPS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("dataset", DatasetSettings),
    ("limits", LimitSettings),
    ("access", AccessSettings),
    ("server", Settings),
)
"""Groups in the order of `Settings.model_fields`, each with the class that defines its fields."""

_COMPUTED = {"workers": "one per CPU", "cache_dir": "the user's cache folder"}
"""Defaults that depend on the machine."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings that `serve` would use.

    Attributes:
        settings: The settings; None if they are invalid.
        rows: Each of them with its origin.
        problems: One line for each reason why `serve` would refuse them, here and now.
    """

    settings: Settings | None
    rows: tuple[Row, ...]
    problems: tuple[str, ...]


def server_settings(options: Mapping[str, Any], settings_file: Path | None) -> ServerSettings:
    """Return the settings of a server. Arguments are those of `load_settings`."""
    sources = read_sources(options, settings_file)
    try:
        settings = checked(sources)
    except SettingsError as error:
        return ServerSettings(None, (), error.problems)
    except SamplerError as error:  # such as a user without a home folder, where the cache folder would be
        return ServerSettings(None, (), (str(error),))
    try:
        connections = connection_cap(settings.max_connections, settings.workers, descriptor_limit())
    except SettingsError as error:
        return ServerSettings(settings, tuple(_rows(settings, sources, None)), error.problems)
    return ServerSettings(settings, tuple(_rows(settings, sources, connections)), ())


def _rows(settings: Settings, sources: Sources, connections: int | None) -> Iterator[Row]:
    several = bool(settings.datasets)
    done: set[str] = {"datasets"}
    for group, kind in _GROUPS:
        for name in kind.model_fields:
            if name in done:
                continue
            done.add(name)
            if not several or group != "dataset" or name in INHERITED:  # others are in the table of each dataset
                yield _row(group, name, settings, sources, connections)
    for name, dataset in settings.datasets.items():
        for field in DatasetSettings.model_fields:
            yield _dataset_row(name, field, dataset, sources)


def _row(group: str, name: str, settings: Settings, sources: Sources, connections: int | None) -> Row:
    origin, source = sources.origin(name)
    if origin == "default" and name in _COMPUTED:
        return Row(group, name, plain(getattr(settings, name)), "derived", _COMPUTED[name])
    if name == "worker_memory_mb" and settings.worker_memory_mb is None:
        derivation = "256, and 24 bytes for each of SAMPLER_MAX_IMAGE_PIXELS"
        return Row(group, name, settings.worker_memory // MEGABYTE, "derived", derivation)
    if name == "max_connections" and settings.max_connections is None:
        return Row(group, name, connections, "derived", f"this process may open {descriptor_limit()} files")
    return Row(group, name, plain(getattr(settings, name)), origin, source)


def _dataset_row(name: str, field: str, dataset: DatasetSettings, sources: Sources) -> Row:
    group, value = f"datasets.{name}", plain(getattr(dataset, field))
    if field in sources.content["datasets"][name]:
        return Row(group, field, value, "file", f"{sources.file}: {group}.{field}")
    origin, source = sources.origin(field)
    inherited: RowOrigin = "inherited" if origin != "default" else "default"
    return Row(group, field, value, inherited if field in INHERITED else "default", source)
