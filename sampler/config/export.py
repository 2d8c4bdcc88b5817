"""The inverse of loading: a sampler config as a CornerNet-Lite JSON file."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from sampler.config.cornernet_lite import FIELDS, base_of, config_of
from sampler.config.database_section import ATTENTION_KEYS, DIRECT_KEYS, Base
from sampler.config.published import SCALE_RANGE
from sampler.config.scale_range import range_of
from sampler.config_schema import SamplerConfig
from sampler.families.registry import find_family, is_import_path

OWN_KEYS = frozenset({"max_objects", "keep_crowd"})
"""Keys that the published code does not know. A file has them only if they change something."""


@dataclass(frozen=True, slots=True)
class ExportedConfig:
    """A config as a document that `load_config` reads.

    Attributes:
        document: The content of the JSON file.
        lost: Fields whose value no such file can give: colours and normalisation, and constants of the family. The
            file's config has the family's values for them.
    """

    document: dict[str, Any]
    lost: tuple[str, ...]

    @property
    def text(self) -> str:
        """The JSON file, one key a line as in the published files."""
        sections = ",\n".join(f"    {json.dumps(name)}: {_lines(keys)}" for name, keys in self.document.items())
        return f"{{\n{sections}\n}}\n"


def as_cornernet_lite(config: SamplerConfig) -> ExportedConfig:
    """Return the file of which `load_config` makes this config, up to its name and the fields in `lost`.

    It has every key that samples depend on, so that it does not rely on defaults. Evenly spaced scales are a range, as
    in the published files. `system` has nothing for the network or for the optimiser.

    Raises:
        ConfigError: The family refuses the config, or is not registered in this process.
    """
    family = find_family(config.kind)  # loading a file would import a family that is not registered
    function = config.kind if is_import_path(config.kind) else family.presets[0].name
    document = {"system": {"sampling_function": function}, "db": _database_section(config, base_of(function))}
    read_back = config_of(document, config.name)
    return ExportedConfig(document, tuple(name for name in FIELDS if _differs(config, read_back, name)))


def _database_section(config: SamplerConfig, base: Base) -> dict[str, Any]:
    db: dict[str, Any] = {"input_size": list(config.input_size), "output_sizes": [list(config.output_size)]}
    db |= _scales(config.rand_scales)
    db |= {key: getattr(config, key) for key in DIRECT_KEYS if key not in base.fixed and _is_given(config, key, base)}
    return db if "attention" in base.fixed else db | _attention(config)


def _is_given(config: SamplerConfig, key: str, base: Base) -> bool:
    value = getattr(config, key)
    return value != base.default(key) if key in OWN_KEYS else value is not None


def _scales(scales: tuple[float, ...]) -> dict[str, Any]:
    found = range_of(scales)
    if found is None:
        return {"rand_scales": list(scales)}
    return {"rand_scales": None, **dict(zip(SCALE_RANGE, found, strict=True))}


def _attention(config: SamplerConfig) -> dict[str, Any]:
    columns = (
        [list(one.size) for one in config.attention],
        [one.ratio for one in config.attention],
        [list(one.longest) for one in config.attention],
    )
    return dict(zip(ATTENTION_KEYS, columns, strict=True))


def _differs(config: SamplerConfig, other: SamplerConfig, name: str) -> bool:
    """Whether a field differs in value or, as 1 and 1.0 do, in the digest."""
    one, two = (_plain(getattr(which, name)) for which in (config, other))
    return json.dumps(one) != json.dumps(two)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else _fields(value)


def _fields(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _lines(keys: dict[str, Any]) -> str:
    lines = ",\n".join(f"        {json.dumps(key)}: {json.dumps(value)}" for key, value in keys.items())
    return f"{{\n{lines}\n    }}"
