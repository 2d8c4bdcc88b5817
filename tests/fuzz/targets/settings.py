"""Settings files of a server."""

import json
import os
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from service.settings.load import SettingsError, load_settings
from service.settings.server import FILE_VARIABLE, Settings
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require


def build(folder: Path) -> Target:
    """Return the target."""
    for name in [name for name in os.environ if name.startswith("SAMPLER_")]:
        del os.environ[name]
    os.environ[FILE_VARIABLE] = str(folder / "settings.toml")
    values: dict[str, Any] = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, str | int | float)
    }
    values |= {"annotations": "/data/a.json", "images": "/data/images", "workers": 4}
    several = {"datasets": {"train": {"annotations": "a.json", "images": "i"}, "val": {"annotations": ["a", "b"]}}}
    run = partial(_run, folder / "settings.toml")
    run(_toml(values))
    return Target(partial(_make, values, several), run, (SettingsError,))


def _make(values: dict[str, Any], several: dict[str, Any], rng: Random) -> bytes:
    chosen = dict(rng.sample(sorted(values.items()), rng.randint(1, 6)))
    document = chosen | (several if rng.random() < 0.3 else {})
    data = _toml(mutate_value(document, rng)) if rng.random() < 0.7 else _toml(document)
    return mutate(data, rng) if rng.random() < 0.4 else data


def _toml(document: Any) -> bytes:
    """Return a document as TOML, as far as TOML can say it. Strings, numbers and lists look as in JSON."""
    if not isinstance(document, dict):
        return json.dumps(document).encode()
    return "".join(f"{json.dumps(str(name))} = {_value(value)}\n" for name, value in document.items()).encode()


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))} = {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def _run(file: Path, data: bytes) -> None:
    """Load the settings."""
    file.write_bytes(data)
    settings = load_settings()
    require(settings.max_batch >= 1 and bool(settings.served), "settings out of range")
