"""From the parameters of the page to a config: which values were changed, and which are invalid."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sampler.config.scale_range import ScaleRange
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.errors import ConfigError, InvalidRequestError
from sampler.families.registry import family_of
from service.explorer.config_changes.fields import (
    DIRECT_FIELDS,
    MOST_SCALES,
    SCALE_FIELDS,
    Field,
    changed_map,
    fields_of,
    values_of,
)

LONGEST_TEXT = 1000
"""Most characters of a value."""

DIGITS = 12
"""Most digits of a number: computed scales, such as 0.7999999999999999, read as people mean them."""

WHAT_IF = "_what_if"
"""How the names of files with changed configs end."""

SWITCHES = {"true": True, "false": False}

FIELDS_OF_ERRORS = (
    (re.compile(r"attention\[(\d+)\]\.longest\b"), r"att_to_\1"),
    (re.compile(r"attention\[(\d+)\]"), r"att_size_\1"),
    (re.compile(r"(\w+)"), r"\1"),
)
"""The fields that errors belong to, by the beginning of their messages."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of a served config.

    Attributes:
        fields: The fields of the form.
        served: The text of each field for the served config.
        texts: The text of each field with the changes.
        errors: What is wrong, by field; "" for an error that belongs to none.
        config: The changed config, or None if there are errors.
    """

    fields: tuple[Field, ...]
    served: Mapping[str, str]
    texts: Mapping[str, str]
    errors: Mapping[str, str]
    config: SamplerConfig | None

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields whose values are not the served ones, in the order of the form.

        Of the list and the range of scales, the one that does not count is not among them.
        """
        texts = {field.name: self.texts[field.name] for field in self.fields}
        return tuple(name for name, text in texts.items() if text and text != self.served[name])

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of a link to these changes."""
        return {name: self.texts[name] for name in self.changed}

    def without(self, name: str) -> dict[str, str]:
        """Return the parameters of a link to these changes without that of a field; scales are reset together."""
        scales = {*SCALE_FIELDS, "rand_scales"}
        reset = scales if name in scales else {name}
        return {other: text for other, text in self.parameters.items() if other not in reset}


def read_changes(served: SamplerConfig, given: Mapping[str, str]) -> Changes:
    """Return the changes that parameters ask for. A field that is not given, or empty, has the served value.

    A list of scales wins over a range of scales, as in a file.

    Raises:
        InvalidRequestError: The form has no such field.
    """
    fields = fields_of(served)
    before = texts_of(fields, values_of(served))
    for name, text in given.items():
        if name not in before:
            raise InvalidRequestError(name, text, f"one of {', '.join(before)}")
    texts = _merged(before, {name: text.strip() for name, text in given.items() if text.strip()})
    values, errors = _parse(fields, texts, before, values_of(served))
    if errors:
        return Changes(fields, before, texts, errors, None)
    try:
        config = changed_config(served, values)
    except ConfigError as error:
        return Changes(fields, before, texts, {_field_of_error(str(error), before): str(error)}, None)
    return Changes(fields, before, texts_of(fields, values), {}, config)


def fitting_changes(served: SamplerConfig, given: Mapping[str, str]) -> dict[str, str]:
    """Return the changes, of those of another config, that a config can have; none if they do not go together."""
    names = {field.name for field in fields_of(served)}
    changes = read_changes(served, {name: text for name, text in given.items() if name in names})
    return {} if changes.config is None else changes.parameters


def texts_of(fields: tuple[Field, ...], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each field. Numbers have at most `DIGITS` digits."""
    return {field.name: _text(values[field.name]) for field in fields}


def file_name(config: SamplerConfig) -> str:
    """Return the name of a file with a changed config."""
    name = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in config.name)
    # A server of such a file has a config of that name, which may be changed again.
    return f"{name[:80].removesuffix(WHAT_IF) or 'config'}{WHAT_IF}.json"


def changed_config(served: SamplerConfig, values: Mapping[str, Any]) -> SamplerConfig:
    """Return the served config with other values of fields. Raises `ConfigError` if they do not go together."""
    wanted = {**values_of(served), **values}
    fields: dict[str, Any] = {name: wanted[name] for name in DIRECT_FIELDS}
    for name in ("input_size", "output_size"):
        if name in values and values[name] != values_of(served)[name]:
            fields[name] = (values[name], values[name])
    config = replace(
        served, **fields, rand_scales=_scales(served, wanted), attention=tuple(_attention(served, wanted))
    )  # fmt: skip
    family_of(config)  # which checks it
    return config


def _scales(served: SamplerConfig, wanted: Mapping[str, Any]) -> tuple[float, ...]:
    if wanted["rand_scales"] is not None:
        return tuple(wanted["rand_scales"])
    scales = ScaleRange(*(wanted[name] for name in SCALE_FIELDS)).scales()
    return served.rand_scales if scales == served.rand_scales else scales


def _attention(served: SamplerConfig, wanted: Mapping[str, Any]) -> Iterator[AttentionMap]:
    for number, one in enumerate(served.attention):
        side, low, high = (wanted[f"att_{part}_{number}"] for part in ("size", "from", "to"))
        yield changed_map(one, side, (low, high), wanted["input_size"])


def _merged(served: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Return the texts of all fields. Of the list and the range of scales, only the one that counts has texts."""
    if "rand_scales" in given:
        return served | given | dict.fromkeys(SCALE_FIELDS, "")
    if any(name in given for name in SCALE_FIELDS):
        return served | given | {"rand_scales": ""}
    return served | given


def _parse(
    fields: tuple[Field, ...], texts: Mapping[str, str], before: Mapping[str, str], served: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of texts, and what is wrong with others. A text of the served config has exactly its value."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    unused = SCALE_FIELDS if texts["rand_scales"] else ("rand_scales",)
    for field in fields:
        name, text = field.name, texts[field.name]
        try:
            values[name] = None if name in unused else _served_or(field, text, before[name], served[name])
        except ConfigError as error:
            errors[name] = str(error)
    return values, errors


def _served_or(field: Field, text: str, before: str, served: Any) -> Any:
    return served if text == before and served is not None else _value(field, text)


def _value(field: Field, text: str) -> Any:
    """Return the value of a text. Raises `ConfigError`."""
    if len(text) > LONGEST_TEXT:
        raise ConfigError(f"{field.name}: {len(text)} characters: expected at most {LONGEST_TEXT}")
    if field.kind == "scales":
        return _numbers(field, text)
    if field.kind != "switch":
        return _number(field, text)
    if text not in SWITCHES:
        raise ConfigError.of_field(field.name, text, "true or false")
    return SWITCHES[text]


def _numbers(field: Field, text: str) -> tuple[float, ...]:
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not 1 <= len(parts) <= MOST_SCALES:
        raise ConfigError(f"{field.name}: {len(parts)} scales: expected 1 to {MOST_SCALES}, separated by commas")
    return tuple(float(_number(field, part)) for part in parts)


def _number(field: Field, text: str) -> float:
    whole = field.kind == "integer"
    try:
        value = int(text) if whole or text.isdecimal() else float(f"{float(text):.{DIGITS}g}")
    except ValueError:
        value = None
    if value is None or not field.low <= value <= field.high:  # NaN compares false
        expected = f"{'an integer' if whole else 'a number'} from {field.low:g} to {field.high:g}"
        raise ConfigError.of_field(field.name, text, expected)
    return value


def _field_of_error(message: str, fields: Mapping[str, str]) -> str:
    """Return the field that the message of an error begins with, or ""."""
    for pattern, name in FIELDS_OF_ERRORS:
        found = pattern.match(message)
        if found is not None:
            field = found.expand(name)
            return field if field in fields else ""
    return ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:.{DIGITS}g}"
