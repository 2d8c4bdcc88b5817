"""Reading the settings of a server from the environment and the file."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sampler.errors import SamplerError
from sampler.path_lists import expand_home
from sampler.system_errors import explain
from sampler.text_files import read_text
from service.errors.problems import expectation
from service.kubernetes import service_variables
from service.settings.access import SECRET
from service.settings.datasets import DatasetSettings
from service.settings.server import FILE_VARIABLE, PREFIX, Settings


class SettingsError(SamplerError):
    """A setting is unknown, malformed or out of range. The message is one line that names it."""


def variables() -> list[str]:
    """Return the names of all environment variables that are settings."""
    return [PREFIX + name.upper() for name in Settings.model_fields if name != "datasets"] + [FILE_VARIABLE]


CLIENTS_URL = "SAMPLER_URL"
"""A variable of clients, which may run on the host of a server."""

OPTIONS = {f"{PREFIX}HOST": "--host", f"{PREFIX}PORT": "--port"}
"""Names that users may expect to be settings. Kubernetes sets such variables for other purposes."""

_EXPECTED = {
    "path_type": "a path",
    "tuple_type": "a path or a list of paths",
    "too_short": "at least one path",
    "dict_type": "tables such as [datasets.train]",
    "model_type": "a table such as [datasets.train]",
    "string_pattern_mismatch": "a name of letters, digits, '.', '_' and '-'",
}
"""What pydantic's errors of these types expect, in words of the settings file."""


def load_settings(options: Mapping[str, Any] | None = None, settings_file: Path | None = None) -> Settings:
    """Return the settings from command line, environment and file, in this order of precedence.

    Args:
        options: Values of command line options, by field.
        settings_file: The file (default: the one that `SAMPLER_SETTINGS` names, if any).

    Raises:
        SettingsError: A setting is unknown or invalid, or the file cannot be read.
    """
    file = str(settings_file) if settings_file else os.environ.get(FILE_VARIABLE)
    named = f"{'--settings' if settings_file else FILE_VARIABLE} = {file}"
    given = dict(options or {})
    try:
        values = _read_file(Path(file), named) if file else {}
        return Settings.model_validate(values | _read_environment() | given)
    except ValidationError as error:
        raise SettingsError("; ".join(_describe(row, file, given) for row in error.errors())) from None


def _read_file(file: Path, named: str) -> dict[str, Any]:
    """Return the content of the file. named: how messages name it."""
    try:
        return tomllib.loads(read_text(expand_home(file)))
    except FileNotFoundError:
        raise SettingsError(f"{named}: no such file") from None
    except OSError as error:
        cause = explain(error, file, "name a TOML file that this user can read")
        raise SettingsError(f"{named}: cannot be read: {cause}") from None
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from None


def _read_environment() -> dict[str, str]:
    """Return the variables that are set and not empty, by field. Raises `SettingsError` for unknown names."""
    known = variables()
    ignored = {*service_variables(os.environ), CLIENTS_URL}
    given = {name: os.environ[name] for name in sorted(os.environ) if name.startswith(PREFIX) and name not in ignored}
    for name in sorted(given.keys() - known):
        if name in OPTIONS:
            raise SettingsError(f"{name}: no such setting; use the option {OPTIONS[name]} of `saccade-sampler serve`")
        raise SettingsError(f"{name}: no such setting; {_hint(name, known)}")
    return {
        name.removeprefix(PREFIX).lower(): value for name, value in given.items() if value and name != FILE_VARIABLE
    }


def _describe(error: Mapping[str, Any], file: str | None, options: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name, *inner = (str(part) for part in error["loc"] if part != "[key]")
    shown = _shown(name, file, options)
    if error["type"] == "extra_forbidden":
        known = list(DatasetSettings.model_fields if inner else Settings.model_fields)
        unknown = inner[-1] if inner else name
        return f"{file or 'settings'}: {'.'.join([name, *inner])}: no such setting; {_hint(unknown, known)}"
    if name in SECRET and not inner:
        return f"{shown}: {'expected text' if error['type'] == 'string_type' else message}"
    expected = _EXPECTED.get(error["type"]) or (expectation(message) if message.startswith("Input should be ") else "")
    problem = f"{error['input']!r}: {f'expected {expected}' if expected else message}"
    if name == "datasets":
        return f"{file}: {'.'.join([name, *inner])} = {problem}"
    return f"{shown} = {problem}"


def _shown(name: str, file: str | None, options: Mapping[str, Any]) -> str:
    """Return the name of a setting as the user has written it: an option, a variable or a name in the file."""
    if name in options:
        return f"--{name.replace('_', '-')}"
    variable = PREFIX + name.upper()
    return f"{file}: {name}" if file and not os.environ.get(variable) else variable


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"
