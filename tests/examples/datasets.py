"""The settings of a server for examples."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_settings(folder: Path, datasets: Mapping[str, Mapping[str, Path]]) -> Path:
    """Write the settings file of a server with datasets: their settings by name. Return its path."""
    lines = []
    for name, settings in datasets.items():
        lines.append(f"[datasets.{name}]")
        lines += [f"{key} = {json.dumps(str(path))}" for key, path in settings.items()]
    file = folder / "settings.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def split(annotations: Path, images: Path, folder: Path, validated: int) -> dict[str, dict[str, Path]]:
    """Return the settings of the datasets `val`, the first `validated` images of a file, and `train`, the others."""
    ids = [image["id"] for image in json.loads(annotations.read_text(encoding="utf-8"))["images"]]
    settings = {}
    for name, subset in {"train": ids[validated:], "val": ids[:validated]}.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(subset), encoding="utf-8")
        settings[name] = {"annotations": annotations, "images": images, "subset": file}
    return settings
