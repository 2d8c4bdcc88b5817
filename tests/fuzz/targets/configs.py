"""Config files in CornerNet-Lite's format."""

import json
import warnings
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sampler.array_table import array_table
from sampler.arrays import LAYOUTS
from sampler.config.cornernet_lite import IgnoredKeysWarning, load_with_origins
from sampler.config.parsing import config_from_dict
from sampler.errors import ConfigError
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require

_DOCUMENTS: tuple[dict[str, Any], ...] = (
    {
        "system": {"sampling_function": "cornernet_saccade", "batch_size": 48},
        "db": {
            "input_size": [255, 255], "output_sizes": [[64, 64]], "rand_scales": None, "rand_scale_min": 0.5,
            "rand_scale_max": 1.1, "rand_scale_step": 0.1, "gaussian_iou": 0.7, "gaussian_radius": -1, "border": 64,
            "att_sizes": [[16, 16], [32, 32], [64, 64]], "att_ratios": [16, 8, 4], "min_scale": 16, "categories": 80,
            "att_ranges": [[96, 256], [32, 96], [0, 32]], "rand_crop": True, "rand_color": True, "lighting": True,
            "max_objects": 128, "keep_crowd": True,
        },
    },
    {
        "system": {"sampling_function": "cornernet"},
        "db": {"rand_scale_step": 0.1, "rand_crop": True, "rand_scales": [0.6, 1, 1.3], "input_size": [511, 511],
               "output_sizes": [[128, 128]], "gaussian_bump": True, "special_crop": False, "top_k": 100},
    },
)  # fmt: skip


def build(folder: Path) -> Target:
    """Return the target."""
    run = partial(_run, folder / "config.json")
    for document in _DOCUMENTS:
        run(json.dumps(document).encode())
    return Target(_make, run, (ConfigError,))


def _make(rng: Random) -> bytes:
    document = rng.choice(_DOCUMENTS)
    if rng.random() < 0.25:
        return mutate(json.dumps(document).encode(), rng)
    if rng.random() < 0.8:
        return json.dumps({**document, "db": mutate_value(document["db"], rng)}).encode()
    return json.dumps(mutate_value(document, rng)).encode()


def _run(file: Path, data: bytes) -> None:
    """Load a file, and make what a server makes of its config."""
    file.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IgnoredKeysWarning)
        loaded = load_with_origins(str(file))
    config = loaded.config
    require(set(loaded.origins) >= set(config.as_dict()), "a field without an origin")
    require(config_from_dict(json.loads(json.dumps(config.as_dict()))) == config, "another config when read again")
    for layout in LAYOUTS:
        array_table(layout, config, config.planes(80) if config.categories in (None, 80) else config.categories)
