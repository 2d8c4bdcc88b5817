"""The settings of a server with their origins, read and checked as `serve` does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from saccade_sampler.settings.rows import HIDDEN, Row, RowOrigin, plain
from sampler.errors import SamplerError
from service.access.tokens import token_of
from service.descriptors import descriptor_limit
from service.server.connection_cap import connection_cap
from service.server.tls import TlsError, server_context
from service.settings.access import SECRET, AccessSettings
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
        rows: Each of them with its origin. If the settings are invalid, the values are those that were given.
        problems: One line for each reason why `serve` would refuse them, here and now.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]


def server_settings(options: Mapping[str, Any], settings_file: Path | None) -> ServerSettings:
    """Return the settings of a server. Arguments are those of `load_settings`."""
    sources = read_sources(options, settings_file)
    try:
        settings = checked(sources)
    except SettingsError as error:
        return ServerSettings(tuple(_given_rows(sources)), (*error.problems, *_token_problems(sources)))
    except SamplerError as error:  # such as a user without a home folder, where the cache folder would be
        return ServerSettings(tuple(_given_rows(sources)), (str(error), *_token_problems(sources)))
    connections, problems = _connections(settings)
    problems += (*_token_problems(sources), *_certificate_problems(settings))
    return ServerSettings(tuple(_rows(settings, sources, connections)), problems)


def _connections(settings: Settings) -> tuple[int | None, tuple[str, ...]]:
    """Return the limit of connections, and why there cannot be one here."""
    try:
        return connection_cap(settings.max_connections, settings.workers, descriptor_limit()), ()
    except SettingsError as error:
        return None, error.problems


def _token_problems(sources: Sources) -> tuple[str, ...]:
    """Return why `serve` refuses the token file. Other settings need not be valid for that."""
    given = {name: value for name, value in sources.values.items() if name in AccessSettings.model_fields}
    try:
        token_of(AccessSettings.model_validate(given))
    except ValidationError:  # reported with the other settings
        return ()
    except SettingsError as error:
        return error.problems
    return ()


def _certificate_problems(settings: Settings) -> tuple[str, ...]:
    try:
        if settings.tls_cert is not None:
            server_context(settings.tls_cert, settings.tls_key)
    except TlsError as error:
        return (str(error),)
    return ()


def _given_rows(sources: Sources) -> Iterator[Row]:
    """Yield the settings as they were given, for the case that they are invalid."""
    for group, name, default in _fields():
        origin, source = sources.origin(name)
        value = _as_given(sources.values.get(name, default))
        yield Row(group, name, HIDDEN if name in SECRET and value is not None else value, origin, source)
    tables = sources.content.get("datasets")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        for field, value in table.items() if isinstance(table, dict) else ():
            place = f"{sources.file}: datasets.{name}.{field}"
            yield Row(f"datasets.{name}", field, _as_given(value), "file", place)


def _as_given(value: object) -> Any:
    """Return a value as JSON has it, of any type that a settings file can have."""
    if isinstance(value, tuple | list):
        return [_as_given(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _fields() -> Iterator[tuple[str, str, Any]]:
    """Yield group, name and default of each setting but `datasets`. Defaults that are computed are None."""
    done: set[str] = {"datasets"}
    for group, kind in _GROUPS:
        for name, field in kind.model_fields.items():
            if name not in done:
                done.add(name)
                yield group, name, field.get_default()


def _rows(settings: Settings, sources: Sources, connections: int | None) -> Iterator[Row]:
    several = bool(settings.datasets)
    for group, name, _ in _fields():
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
