"""Annotation files: read in pieces and as a whole with the same result, or refused with the place of the fault."""

import gzip
import json
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from sampler.dataset.coco.annotations import Annotations, parse_annotations, read_annotations
from sampler.dataset.index.arrays import build_index
from sampler.errors import AnnotationError
from tests.fuzz.documents import mutate_value
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target, require
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, small_coco

_BLOCKS = (1, 64, 300, 1 << 20)
_FILE = "annotations.json"


def build(folder: Path) -> Target:
    """Return the target."""
    polygon = box_entry(7, 1, 1, None, segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]], area=64.5)
    run_lengths = box_entry(8, 1, 1, None, segmentation={"counts": [5, 10, 3057], "size": [48, 64]})
    compressed = box_entry(9, 1, 1, None, segmentation={"counts": "52203", "size": [48, 64]})
    contents = [
        small_coco(),
        coco([image_entry(1)], [polygon, run_lengths, compressed], [category_entry(1)]),
        coco(
            [image_entry(1, id="one"), image_entry(2, id="2", license=3, coco_url="x")],
            [box_entry(1, "one", 1, [1, 1, 5, 5]), box_entry(2, "2", 1, [0, 0, 64, 48])],
            [category_entry(1)],
        ),
    ]
    for content in contents:
        run(json.dumps(content).encode())
        run(gzip.compress(json.dumps(content, indent=1).encode()))
    return Target(partial(_make, contents), run, (AnnotationError,))


def _make(contents: list[dict[str, Any]], rng: Random) -> bytes:
    content = rng.choice(contents)
    way = rng.random()
    if way < 0.3:
        data = mutate(json.dumps(content, indent=rng.choice((None, 1))).encode(), rng)
    else:
        part = rng.choice(("images", "annotations", "annotations", "categories"))
        changed = mutate_value(content, rng) if way < 0.4 else {**content, part: mutate_value(content[part], rng)}
        data = json.dumps(changed, indent=rng.choice((None, None, 2))).encode()
    if rng.random() < 0.1:
        data = mutate(gzip.compress(data, 1, mtime=0), rng)
    return data


def run(data: bytes) -> None:
    """Read a file in pieces and as a whole, and build its index."""
    found = _read(data, None)
    for block in _BLOCKS:
        other = _read(data, block)
        if isinstance(found, str) or isinstance(other, str):
            require(found == other, f"{other} in blocks of {block}, but {found} as a whole")
        else:
            _require_same(found, other)
    if isinstance(found, str):
        raise AnnotationError(_FILE, "", found)
    index = build_index(found)
    require(len(index.sizes) == len(found.file_names), "another number of images")


def _read(data: bytes, block: int | None) -> Annotations | str:
    """Return the columns, or the error."""
    try:
        return parse_annotations(data, _FILE) if block is None else read_annotations(BytesIO(data), _FILE, block)
    except AnnotationError as error:
        return str(error)


def _require_same(one: Annotations, other: Annotations) -> None:
    for name in Annotations.__slots__:
        first, second = getattr(one, name), getattr(other, name)
        if isinstance(first, np.ndarray):
            require(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), f"another column {name}")
        else:
            require(repr(first) == repr(second), f"another column {name}")
