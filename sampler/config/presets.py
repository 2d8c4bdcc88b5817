"""The published configs, by name."""

from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError
from sampler.families.registry import BUILT_IN

PRESETS: dict[str, SamplerConfig] = {config.name: config for family in BUILT_IN.values() for config in family.presets}
"""The presets of the built-in families: `cornernet_saccade`, `cornernet` and `cornernet_squeeze`."""


def preset(name: str) -> SamplerConfig:
    """Return the published config `name`. Raises `ConfigError` that lists the names."""
    if name not in PRESETS:
        raise ConfigError(f"config = {name!r}: expected one of {', '.join(PRESETS)}, or the path of a JSON file")
    return PRESETS[name]
