"""Loading a CornerNet-Lite JSON config file unchanged; the sampler reads its `db` section.

A key that the file does not give has CornerNet-Lite's class default (`sampler.config.published`), not the value of a
preset. A key that the published sampler of the family does not read is ignored here too.
"""

import dataclasses
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from sampler.config.database_section import Base, Section, read_section
from sampler.config.document import Document, parse_document, read_json
from sampler.config.presets import PRESETS, preset
from sampler.config.published import DEFAULTS, KEYS_WITHOUT_EFFECT
from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError
from sampler.families.registry import family_of, is_import_path, register_family
from sampler.path_lists import expand_home
from sampler.printable import name_text, printable

FIELDS = tuple(field.name for field in dataclasses.fields(SamplerConfig))

Origin = Literal["preset", "file", "published default", "family", "setting", "annotations"]
"""Where the value of a config field comes from.

"family" is a value that a file cannot set: the published sampler of the family has a constant for it, or no sample
depends on it. "setting" is SAMPLER_KEEP_CROWD. "annotations" is a number of categories that no file gives.
"""


class IgnoredKeysWarning(UserWarning):
    """A config file has keys that no sample depends on, or keys given more than once; the message lists them.

    Attributes:
        expected: Whether published files have such keys, for the network or for evaluation, or give the value that
            samples have in any case.
    """

    def __init__(self, message: str, *, expected: bool = False) -> None:
        super().__init__(message)
        self.expected = expected


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config and where the value of each of its fields comes from."""

    config: SamplerConfig
    origins: Mapping[str, Origin]


def load_config(name_or_path: str, *, keep_crowd: bool = True) -> SamplerConfig:
    """Return a preset by name, or the config of a CornerNet-Lite JSON file.

    Keys that the file leaves out have the defaults of CornerNet-Lite's classes, not the values of a preset. The file is
    trusted: if it names a detector family by import path, that module is imported.

    Warns with one `IgnoredKeysWarning` that lists the unused keys of `db`, and another for keys given more than once.

    Args:
        name_or_path: Name of a preset, or path of a file.
        keep_crowd: False drops crowd boxes even if the file keeps them.

    Raises:
        ConfigError: The file cannot be used. The message names the file and, if a value is out of range, the field,
            value and range.
    """
    return load_with_origins(name_or_path, keep_crowd=keep_crowd).config


def load_with_origins(name_or_path: str, *, keep_crowd: bool = True) -> LoadedConfig:
    """Return the config of `load_config` with the origin of each value. Warns and raises like `load_config`."""
    loaded = _named(name_or_path)
    if keep_crowd or not loaded.config.keep_crowd:
        return loaded
    origins: dict[str, Origin] = {**loaded.origins, "keep_crowd": "setting"}
    return LoadedConfig(dataclasses.replace(loaded.config, keep_crowd=False), MappingProxyType(origins))


def config_of(document: dict[str, Any], name: str) -> SamplerConfig:
    """Return the config of a parsed document, CornerNet-Lite's or that of a detector family by import path.

    The family is that of `system.sampling_function`. Without it, attention keys mean cornernet_saccade. A bare `db`
    section is accepted too. A family by import path has the values of its first preset where the document gives none.
    Raises `ConfigError`.
    """
    return _loaded(document, name).config


def _named(name_or_path: str) -> LoadedConfig:
    try:
        path = expand_home(Path(name_or_path))
    except ValueError as error:
        raise ConfigError(f"config = {name_or_path!r}: {error}") from None
    if name_or_path in PRESETS or not (path.suffix or _is_there(path)):
        return LoadedConfig(preset(name_or_path), MappingProxyType(_origins_of_other_fields("preset")))
    content, repeated = read_json(path)
    if repeated:
        keys = ", ".join(map(printable, repeated))
        warnings.warn(f"config keys given more than once, of which the last counts: {keys}", IgnoredKeysWarning, 2)
    try:
        return _loaded(content, name_text(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _is_there(path: Path) -> bool:
    """Whether there is such a file, or it cannot be known: then reading it says why."""
    try:
        return path.exists()
    except OSError:
        return True


def _loaded(content: object, name: str) -> LoadedConfig:
    document = parse_document(content)
    base = base_of(document.function)
    section = read_section(document.db, base)
    _warn(section, document.db, base)
    try:
        config = dataclasses.replace(base.preset, name=name, **{**base.defaults, **section.fields})
        family_of(config)  # which checks it
    except ConfigError as error:
        raise ConfigError(f"{error}{_note(str(error), document, base, section)}") from None
    return LoadedConfig(config, MappingProxyType(_origins(base, section)))


def base_of(function: object) -> Base:
    """Return what a file for a sampling function starts from. Raises `ConfigError`."""
    if isinstance(function, str) and is_import_path(function):
        family = register_family(function)
        first = dataclasses.replace(family.presets[0], kind=function)
        return Base(first, {}, published=False, fixed=_fixed(family.fixed_fields, first))
    if not isinstance(function, str) or function not in PRESETS:
        raise ConfigError(
            f"system.sampling_function = {function!r}: expected one of {', '.join(PRESETS)}, or the import path of a "
            "detector family such as package.module:FAMILY"
        )
    first = PRESETS[function]
    fixed = _fixed(family_of(first).fixed_fields, first)
    return Base(first, {name: DEFAULTS[name] for name in DEFAULTS if name not in fixed}, published=True, fixed=fixed)


def _fixed(fields: frozenset[str], first: SamplerConfig) -> frozenset[str]:
    """Return the fields that a file cannot set. A family without attention maps has none in any config."""
    return fields if first.attention else fields | {"attention"}


def _warn(section: Section, db: Mapping[str, Any], base: Base) -> None:
    if not section.ignored:
        return
    message = f"config keys that no sample depends on are ignored: {', '.join(map(printable, section.ignored))}"
    for key, meant in section.meant.items():
        message += f"; if {printable(key)} is meant to be {meant}, rename it"
    same = {key for key in base.fixed if key in db and db[key] == base.default(key)}
    expected = KEYS_WITHOUT_EFFECT.union(same).issuperset(section.ignored)
    warnings.warn(IgnoredKeysWarning(message, expected=expected), stacklevel=2)


def _note(message: str, document: Document, base: Base, section: Section) -> str:
    """Return a note on what an error's message depends on and the file does not give."""
    found = [name for name in base.defaults if name not in section.fields and re.search(rf"\b{name}\b", message)]
    notes = [f"{' and '.join(found)}: not in the file, so CornerNet-Lite's default is used"] if found else []
    if document.assumed:
        notes.append(f"system.sampling_function: not in the file, so {document.function} is assumed")
    return f" ({'; '.join(notes)})" if notes else ""


def _origins(base: Base, section: Section) -> dict[str, Origin]:
    origins = _origins_of_other_fields("published default" if base.published else "preset")
    origins |= dict.fromkeys(base.fixed, "family")
    origins |= dict.fromkeys(("kind", "name", *section.fields), "file")
    return origins


def _origins_of_other_fields(origin: Origin) -> dict[str, Origin]:
    """Return the origins of the fields that a file does not set."""
    return {**dict.fromkeys(FIELDS, origin), "categories": "annotations"}
