"""Loading a CornerNet-Lite JSON config file unchanged; the sampler reads its `db` section."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sampler.checks import require_number
from sampler.config.presets import PRESETS, preset
from sampler.config.schema import AttentionMap, SamplerConfig
from sampler.errors import ConfigError
from sampler.families.registry import family_of, is_import_path, register_family
from sampler.text_files import read_text

DIRECT_KEYS = (
    "rand_crop", "rand_center", "rand_color", "lighting", "gaussian_bump", "gaussian_iou", "gaussian_radius",
    "min_scale", "border", "max_objects", "keep_crowd",
)  # fmt: skip
"""Keys of `db` that are fields of `SamplerConfig` under the same name."""

SCALE_KEYS = ("rand_scales", "rand_scale_min", "rand_scale_max", "rand_scale_step")
SIZE_KEYS = ("input_size", "output_sizes")
ATTENTION_KEYS = ("att_sizes", "att_ratios", "att_ranges")


class IgnoredKeysWarning(UserWarning):
    """A config file has keys that no sample depends on; the message lists them."""


def load_config(name_or_path: str, *, keep_crowd: bool = True) -> SamplerConfig:
    """Return a preset by name, or the config of a CornerNet-Lite JSON file.

    Issues one `IgnoredKeysWarning` that lists the unused keys of `db`. The file is trusted: if it names a detector
    family by import path, that module is imported.

    Args:
        name_or_path: Name of a preset, or path of a file.
        keep_crowd: False drops crowd boxes even if the file keeps them.

    Raises:
        ConfigError: The file cannot be used. The message names the file and, if a value is out of range, the field,
            value and range.
    """
    config = _named(name_or_path)
    return config if keep_crowd else dataclasses.replace(config, keep_crowd=False)


def _named(name_or_path: str) -> SamplerConfig:
    path = Path(name_or_path)
    if name_or_path in PRESETS or (not path.suffix and not path.exists()):
        return preset(name_or_path)
    document = _read_json(path)
    try:
        return config_of(document, name=path.stem)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def config_of(document: dict[str, Any], name: str) -> SamplerConfig:
    """Return the config of a parsed CornerNet-Lite document: a preset, overridden by the document's `db` section.

    The preset is that of `system.sampling_function`, a preset's name or the import path of a detector family. Without
    it, attention keys mean cornernet_saccade. A bare `db` section is accepted too. Raises `ConfigError`.
    """
    db = document.get("db", {} if "system" in document else document)
    if not isinstance(db, dict):
        raise ConfigError(f"db = {db!r}: expected an object")
    base = _base(document, db)
    fields: dict[str, Any] = {key: db[key] for key in DIRECT_KEYS if key in db}
    if "gaussian_rad" in db:
        fields["gaussian_radius"] = db["gaussian_rad"]
    fields |= _scales(db) | _sizes(db)
    used = {*DIRECT_KEYS, "gaussian_rad", *SCALE_KEYS, *SIZE_KEYS}
    if base.attention:
        fields |= _attention(db, base)
        used |= set(ATTENTION_KEYS)
    if ignored := sorted(set(db) - used):
        message = f"config keys that no sample depends on are ignored: {', '.join(ignored)}"
        warnings.warn(message, IgnoredKeysWarning, stacklevel=2)
    config = dataclasses.replace(base, name=name, **fields)
    family_of(config)  # which checks it
    return config


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected an object with a `db` section, found {type(document).__name__}")
    return document


def _base(document: dict[str, Any], db: dict[str, Any]) -> SamplerConfig:
    system = document.get("system", {})
    function = system.get("sampling_function") if isinstance(system, dict) else None
    if function is None:
        function = "cornernet_saccade" if any(key in db for key in ATTENTION_KEYS) else "cornernet"
    if isinstance(function, str) and is_import_path(function):
        return dataclasses.replace(register_family(function).presets[0], kind=function)
    if not isinstance(function, str) or function not in PRESETS:
        raise ConfigError(
            f"system.sampling_function = {function!r}: expected one of {', '.join(PRESETS)}, or the import path of a "
            "detector family such as package.module:FAMILY"
        )
    return PRESETS[function]


def _scales(db: dict[str, Any]) -> dict[str, Any]:
    if db.get("rand_scales") is not None:
        scales = db["rand_scales"]
        return {"rand_scales": tuple(scales) if isinstance(scales, list) else scales}
    given = [key for key in SCALE_KEYS[1:] if key in db]
    if not given:
        return {}
    if len(given) < 3:
        raise ConfigError(f"{', '.join(given)}: expected rand_scale_min, rand_scale_max and rand_scale_step together")
    low, high, step = (require_number(key, db[key], error=ConfigError) for key in SCALE_KEYS[1:])
    if not (step > 0 and low < high and (high - low) / step <= 1024):
        raise ConfigError(
            f"rand_scale_min = {low}, rand_scale_max = {high}, rand_scale_step = {step}: expected min < max and "
            "a step above 0 that gives at most 1024 scales"
        )
    return {"rand_scales": tuple(np.arange(low, high, step).tolist())}


def _sizes(db: dict[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    if "input_size" in db:
        sizes["input_size"] = _pair("input_size", db["input_size"])
    if "output_sizes" in db:
        outputs = db["output_sizes"]
        if not isinstance(outputs, list) or len(outputs) != 1:
            raise ConfigError(f"output_sizes = {outputs!r}: expected a list of one [height, width]")
        sizes["output_size"] = _pair("output_sizes[0]", outputs[0])
    return sizes


def _pair(key: str, value: object) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise ConfigError(f"{key} = {value!r}: expected [height, width]")
    return value[0], value[1]


def _attention(db: dict[str, Any], base: SamplerConfig) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "att_sizes": [list(attention.size) for attention in base.attention],
        "att_ratios": [attention.ratio for attention in base.attention],
        "att_ranges": [list(attention.longest) for attention in base.attention],
    }
    columns |= {key: db[key] for key in ATTENTION_KEYS if key in db}
    for key, column in columns.items():
        if not isinstance(column, list):
            raise ConfigError(f"{key} = {column!r}: expected a list, one entry for each map")
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"{', '.join(f'{k} has {n}' for k, n in lengths.items())}: expected equal lengths")
    rows = zip(*(columns[key] for key in ATTENTION_KEYS), strict=True)
    maps = [
        AttentionMap(_pair(f"att_sizes[{i}]", size), ratio, _pair(f"att_ranges[{i}]", longest))
        for i, (size, ratio, longest) in enumerate(rows)
    ]
    return {"attention": tuple(maps)}
