"""Parsing the dict form of a config, as it is in a spec, a recorded case or a worker's setup."""

from typing import Any

from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.families.registry import family_of, is_import_path, register_family


def config_from_dict(fields: dict[str, Any], *, trust_family: bool = False) -> SamplerConfig:
    """Return the config of which `fields` is the `as_dict`.

    trust_family: whether to import a detector family that the config names by import path. Only for configs of this
    process's own parent. Without it, such a family must be registered already.

    Raises:
        UnknownFamilyError: The family is not registered.
        ConfigError: A field is invalid.
        TypeError: A field is missing, unknown or has another form. KeyError, AttributeError and ValueError too.
    """
    values = {name: _tuples(value) for name, value in fields.items()}
    values["attention"] = tuple(
        AttentionMap(tuple(row["size"]), row["ratio"], tuple(row["longest"])) for row in fields["attention"]
    )
    config = SamplerConfig(**values)
    if trust_family and is_import_path(config.kind):
        register_family(config.kind)
    family_of(config)  # which checks it
    return config


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
