"""The settings of a server, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sampler.errors import SamplerError
from service.errors.problems import expectation
from service.settings.access import SECRET
from service.settings.datasets import DatasetSettings
from service.settings.server import PREFIX, Settings
from service.settings.sources import Sources, hint, read_sources


class SettingsError(SamplerError):
    """Settings are unknown, malformed or out of range. The message is one line that names them.

    Attributes:
        problems: One line for each of them.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


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
    return checked(read_sources(options or {}, settings_file))


def checked(sources: Sources) -> Settings:
    """Return the settings that the sources give. Raises `SettingsError`, with all that is wrong."""
    if sources.unreadable:  # the values of the others may depend on it
        raise SettingsError(sources.unreadable, *sources.unknown)
    try:
        settings = Settings.model_validate(sources.values)
    except ValidationError as error:
        raise SettingsError(*sources.unknown, *(_describe(row, sources) for row in error.errors())) from None
    if sources.unknown:
        raise SettingsError(*sources.unknown)
    return settings


def _describe(error: Mapping[str, Any], sources: Sources) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name, *inner = (str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        known = list(DatasetSettings.model_fields if inner else Settings.model_fields)
        unknown = inner[-1] if inner else name
        return f"{sources.file or 'settings'}: {'.'.join([name, *inner])}: no such setting; {hint(unknown, known)}"
    shown = sources.origin(name)[1] or PREFIX + name.upper()  # a default may be invalid, too
    if name in SECRET and not inner:
        return f"{shown}: {'expected text' if error['type'] == 'string_type' else message}"
    expected = _EXPECTED.get(error["type"]) or (expectation(message) if message.startswith("Input should be ") else "")
    problem = f"{error['input']!r}: {f'expected {expected}' if expected else message}"
    if name == "datasets":
        return f"{sources.file}: {'.'.join([name, *inner])} = {problem}"
    return f"{shown} = {problem}"
