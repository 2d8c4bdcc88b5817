"""Finding a detector family by the `kind` of a config.

The built-in families have short names. Other families are loaded by import path ("package.module:NAME"), but only after
`register_family`: a config from another process, such as a server's spec, never makes this process import code.
"""

import importlib
from functools import lru_cache

from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError, UnknownFamilyError
from sampler.families.cornernet import CORNERNET
from sampler.families.interface import Family
from sampler.families.saccade import SACCADE

BUILT_IN: dict[str, Family] = {"saccade": SACCADE, "cornernet": CORNERNET}

_registered: dict[str, Family] = {}
# Trust in code is a property of the process, so this is the one place with process-wide state.


def register_family(path: str) -> Family:
    """Import a family and let this process use it. Repeated calls have no further effect.

    Args:
        path: "package.module:NAME", where NAME is a `Family` instance in that module. Its module is executed.

    Raises:
        ConfigError: There is no such module or name, or it is not a `Family`.
    """
    if path in BUILT_IN:
        return BUILT_IN[path]
    if path not in _registered:
        _registered[path] = _import_family(path)
    return _registered[path]


def registered_paths() -> tuple[str, ...]:
    """Return the import paths of all families registered in this process, for its child processes."""
    return tuple(_registered)


def is_import_path(kind: str) -> bool:
    """Whether a `kind` names a family by import path."""
    return ":" in kind


def find_family(kind: str) -> Family:
    """Return a built-in or registered family.

    Raises:
        UnknownFamilyError: `kind` is an import path that is not registered in this process.
        ConfigError: There is no family of this name.
    """
    family = BUILT_IN.get(kind) or _registered.get(kind)
    if family is not None:
        return family
    if is_import_path(kind):
        raise UnknownFamilyError(
            f"kind = {kind!r}: this detector family is not registered in this process; "
            f"if you trust its code, call register_family({kind!r}) first"
        )
    known = ", ".join((*BUILT_IN, *_registered))
    raise ConfigError(f"kind = {kind!r}: expected one of {known}, or an import path such as package.module:FAMILY")


@lru_cache(maxsize=256)
def family_of(config: SamplerConfig) -> Family:
    """Return the family of a config, once the family has checked the config.

    Raises:
        ConfigError: The family is unknown, not registered, or refuses the config.
    """
    family = find_family(config.kind)
    family.check_config(config)
    return family


def _import_family(path: str) -> Family:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"family {path!r}: expected an import path such as package.module:FAMILY")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"family {path!r} cannot be imported: {error}; check the path and PYTHONPATH") from error
    if not isinstance(found, Family):
        raise ConfigError(f"family {path!r} is a {type(found).__name__}: expected an instance of a Family subclass")
    _check_specs(path, found)
    return found


def _check_specs(path: str, family: Family) -> None:
    for config in family.presets:
        for one, two in zip(family.target_specs(config, 1), family.target_specs(config, 2), strict=True):
            if (one.sparse is None) != (one.shape == two.shape):
                raise ConfigError(
                    f"family {path!r}: array {one.name}: expected `sparse` to be set if and only if the array has one "
                    "plane per category"
                )
