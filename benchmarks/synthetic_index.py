"""An index of any number of images, written straight as arrays: no annotation file, no image files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from sampler.dataset.index.arrays import ARRAYS, index_digest, report_digest
from sampler.dataset.index.storage import FORMAT, LEFT_OUT, META, Meta, mark_checked

PART = 1 << 18
"""Images written at a time."""

NAME = "000000000000.jpg"
CATEGORIES = 80
HEIGHT, WIDTH = 480, 640

Maker = Callable[[int, int], npt.NDArray[np.generic]]
"""Gives the values of an array for the images from … to."""


def write_synthetic_index(folder: Path, images: int, boxes: int = 7) -> Path:
    """Write the folder of an index of so many images of `boxes` boxes each, and return it; `load_index` opens it.

    In a few seconds for ten million images, a part at a time; only the digest is taken of the files as a whole, mapped.
    Sizes on disk: 48 bytes an image and 69 a box. Every box is 10 to 400 pixels wide and high and inside its image of
    640×480.
    """
    folder.mkdir(parents=True)
    makers = _makers(boxes)
    for name in ARRAYS:
        _save(folder / f"{name}.npy", name, _shape(name, images, boxes), _parts(name, images, makers))
    (folder / LEFT_OUT).write_bytes(b"{}")
    names = tuple(f"kind {number}" for number in range(1, CATEGORIES + 1))
    groups = ("thing",) * CATEGORIES
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    meta = Meta(
        format=FORMAT,
        sources=("synthetic",),
        digest=index_digest(arrays, names),
        report_digest=report_digest(arrays, groups),
        category_names=names,
        supercategories=groups,
        dropped=0,
        unlisted=0,
        files=files,
    )
    (folder / META).write_bytes(msgspec.json.encode(meta))
    mark_checked(folder)
    return folder


def _makers(boxes: int) -> dict[str, Maker]:
    """What makes each array but those of other lengths than N or M."""
    return {
        "image_ids": lambda first, end: np.arange(first + 1, end + 1),
        "sizes": lambda first, end: np.tile(np.array([HEIGHT, WIDTH]), (end - first, 1)),
        "names": _names,
        "boxes": lambda first, end: _boxes(first, (end - first) * boxes),
        "bbox": lambda first, end: _annotated(_boxes(first, (end - first) * boxes)),
        "area": lambda first, end: np.full((end - first) * boxes, np.nan),
        "crowd": lambda first, end: np.zeros((end - first) * boxes, np.bool_),
        "annotation_ids": lambda first, end: np.arange(first * boxes + 1, end * boxes + 1),
        "name_starts": lambda first, end: np.arange(first, end) * len(NAME),
        "box_starts": lambda first, end: np.arange(first, end) * boxes,
    }


def _shape(name: str, images: int, boxes: int) -> tuple[int, ...]:
    shapes = {
        "sizes": (images, 2),
        "names": (images * len(NAME),),
        "boxes": (images * boxes, 5),
        "bbox": (images * boxes, 4),
        "area": (images * boxes,),
        "crowd": (images * boxes,),
        "annotation_ids": (images * boxes,),
        "name_starts": (images + 1,),
        "box_starts": (images + 1,),
        "category_ids": (CATEGORIES,),
        "id_starts": (1,),
        "id_texts": (0,),
    }
    return shapes.get(name, (images,))


def _parts(name: str, images: int, makers: dict[str, Maker]) -> Iterator[npt.NDArray[np.generic]]:
    if name == "category_ids":
        yield np.arange(1, CATEGORIES + 1)
        return
    if name.startswith("id_"):
        yield np.zeros(_shape(name, images, 0), np.int64)
        return
    values = images + 1 if name.endswith("_starts") else images
    for first in range(0, values, PART):
        yield makers[name](first, min(first + PART, values))


def _names(first: int, end: int) -> npt.NDArray[np.uint8]:
    """The names 000000000001.jpg, … as bytes."""
    names = np.tile(np.frombuffer(NAME.encode(), np.uint8), (end - first, 1))
    numbers = np.arange(first + 1, end + 1)
    for place in range(len(NAME.partition(".")[0])):
        names[:, 11 - place] = ord("0") + numbers // 10**place % 10
    return names.reshape(-1)


def _boxes(first: int, count: int) -> npt.NDArray[np.float32]:
    random = np.random.Generator(np.random.Philox(key=first))
    boxes = np.empty((count, 5), np.float32)
    sides = random.uniform(10, 400, (count, 2)).astype(np.float32)
    boxes[:, :2] = random.random((count, 2), np.float32) * (np.array([WIDTH, HEIGHT], np.float32) - sides - 1)
    boxes[:, 2:4] = boxes[:, :2] + sides
    boxes[:, 4] = random.integers(1, CATEGORIES + 1, count)
    return boxes


def _annotated(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The boxes as x, y, width, height."""
    corners = boxes[:, :4].astype(np.float64)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _save(file: Path, name: str, shape: tuple[int, ...], parts: Iterator[npt.NDArray[np.generic]]) -> None:
    header = {"descr": ARRAYS[name][0], "fortran_order": False, "shape": shape}
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(np.ascontiguousarray(part, ARRAYS[name][0]).data)
