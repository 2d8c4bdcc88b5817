"""A dataset large enough for an epoch that lasts: the same images many times, each time as other files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.material import Material


def repeated(source: Material, images: int, folder: Path) -> Material:
    """Write a dataset of at least so many images into a folder and return it; its cache folder is in there too."""
    content: dict[str, Any] = json.loads(source.annotations.read_text(encoding="utf-8"))
    copies = -(-images // len(content["images"]))
    pictures = folder / "images"
    pictures.mkdir(parents=True)
    written: dict[str, Any] = {"images": [], "annotations": [], "categories": content["categories"]}
    for copy in range(copies):
        for place, image in enumerate(content["images"]):
            name = f"{copy}-{place}{Path(image['file_name']).suffix}"
            shutil.copyfile(source.images / image["file_name"], pictures / name)
            written["images"].append(image | {"file_name": name, "id": _id(image["id"], copy, copies)})
        for annotation in content["annotations"]:
            ids = {key: _id(annotation[key], copy, copies) for key in ("id", "image_id")}
            written["annotations"].append(annotation | ids)
    annotations = folder / "annotations.json"
    annotations.write_text(json.dumps(written), encoding="utf-8")
    return replace(source, annotations=annotations, images=pictures, cache_dir=folder / "cache")


def _id(number: int, copy: int, copies: int) -> int:
    return number * copies + copy
