"""The places that settings come from: command line, environment and file."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sampler.path_lists import expand_home
from sampler.system_errors import explain
from sampler.text_files import read_text
from service.kubernetes import service_variables
from service.settings.server import FILE_VARIABLE, PREFIX, Settings

CLIENTS_URL = "SAMPLER_URL"
"""A variable of clients, which may run on the host of a server."""

LARGEST_FILE = 1 << 20
"""Bytes of a settings file: thousands of datasets."""

OPTIONS = {f"{PREFIX}HOST": "--host", f"{PREFIX}PORT": "--port"}
"""Names that users may expect to be settings. Kubernetes sets such variables for other purposes."""

Origin = Literal["option", "variable", "file", "default"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Settings as given, not checked.

    Attributes:
        options: Values of command line options, by field.
        variables: Texts of environment variables that are set and not empty, by field.
        content: Of the settings file.
        file: The file, as given; None without one.
        unknown: One line for each environment variable that is not a setting.
        unreadable: Why the file cannot be read, in one line; empty if it can.
    """

    options: Mapping[str, Any]
    variables: Mapping[str, str]
    content: Mapping[str, Any]
    file: str | None
    unknown: tuple[str, ...]
    unreadable: str

    @property
    def values(self) -> dict[str, Any]:
        """The values by field. Options win over variables, variables over the file."""
        return {**self.content, **self.variables, **self.options}

    def origin(self, field: str) -> tuple[Origin, str]:
        """Return which source gives a setting, and the name that it has there; for a default, an empty name."""
        if field in self.options:
            return "option", f"--{field.replace('_', '-')}"
        if field in self.variables:
            return "variable", PREFIX + field.upper()
        if field in self.content:
            return "file", f"{self.file}: {field}"
        return "default", ""


def variables() -> list[str]:
    """Return the names of all environment variables that are settings."""
    return [PREFIX + name.upper() for name in Settings.model_fields if name != "datasets"] + [FILE_VARIABLE]


def read_sources(options: Mapping[str, Any], settings_file: Path | None) -> Sources:
    """Return the settings as given. settings_file: the file; None for the one that `SAMPLER_SETTINGS` names, if any."""
    file = str(settings_file) if settings_file else os.environ.get(FILE_VARIABLE)
    named = f"{'--settings' if settings_file else FILE_VARIABLE} = {file}"
    content, unreadable = _read_file(Path(file), named) if file else ({}, "")
    given = _given_variables()
    known = variables()
    unknown = tuple(_unknown(name, known) for name in sorted(given.keys() - known))
    fields = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in given.items()
        if value and name in known and name != FILE_VARIABLE
    }
    return Sources(options, fields, content, file, unknown, unreadable)


def hint(name: str, known: list[str]) -> str:
    """Return which of the known names may be meant by an unknown one."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"


def _read_file(file: Path, named: str) -> tuple[dict[str, Any], str]:
    """Return the content of the file, and why it cannot be read. named: how messages name it."""
    try:
        return tomllib.loads(read_text(expand_home(file), LARGEST_FILE)), ""
    except FileNotFoundError:
        return {}, f"{named}: no such file"
    except OSError as error:
        return {}, f"{named}: cannot be read: {explain(error, file, 'name a TOML file that this user can read')}"
    except RecursionError:
        return {}, f"{file}: nested too deeply; write tables such as [datasets.train]"
    except ValueError as error:
        return {}, f"{file}: {error}"


def _given_variables() -> dict[str, str]:
    """Return the variables that begin like settings, without those of clients and of Kubernetes."""
    ignored = {*service_variables(os.environ), CLIENTS_URL}
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and name not in ignored}


def _unknown(name: str, known: list[str]) -> str:
    if name in OPTIONS:
        return f"{name}: no such setting; use the option {OPTIONS[name]} of `saccade-sampler serve`"
    return f"{name}: no such setting; {hint(name, known)}"
