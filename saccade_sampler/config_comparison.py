"""Whether a server makes the samples that a config file of CornerNet-Lite says."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

from client import ClientError, ServiceSpec
from sampler import load_config
from sampler.config.cornernet_lite import IgnoredKeysWarning
from sampler.config_schema import SamplerConfig

UNCOMPARED = frozenset({"name", "categories", "keep_crowd"})
"""Fields in which a server may differ from the config file: it has a name for the file and a setting for crowd boxes.
The number of categories is compared as the dataset has it."""

KEYS = {"kind": "sampling_function", "output_size": "output_sizes[0]"}
"""The keys of fields that have another name in a file. Those of attention maps are separate lists there."""


def require_same_config(spec: ServiceSpec, config_file: Path) -> None:
    """Raise `ClientError` if a server makes other samples than the config file of `train.py` says.

    The network and the loss would accept most of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IgnoredKeysWarning)  # keys for the network and for evaluation
        config = load_config(str(config_file))
    served, ours = _values(spec.config), _values(config)
    if config.categories is not None:
        served["categories"], ours["categories"] = spec.categories, config.categories
    other = [
        f"{key} is {_shown(served[key])} on the server and {_shown(ours[key])} in the file"
        for key in ours
        if served[key] != ours[key]
    ]
    if other:
        raise ClientError(
            f"{config_file}: the server makes samples of another config: {'; '.join(other)}; "
            f"start it with this file as its config"
        )


def _values(config: SamplerConfig) -> dict[str, Any]:
    """Return the compared values by the keys of a file."""
    names = {field.name for field in dataclasses.fields(config)} - UNCOMPARED - {"attention"}
    values = {KEYS.get(name, name): getattr(config, name) for name in sorted(names)}
    return values | {
        "att_sizes": tuple(one.size for one in config.attention),
        "att_ratios": tuple(one.ratio for one in config.attention),
        "att_ranges": tuple(one.longest for one in config.attention),
    }


def _shown(value: Any) -> str:
    """Return a value as JSON. Numbers that were computed, such as 0.7999999999999999, have 12 digits."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.12g}" if isinstance(value, float) else json.dumps(value)
