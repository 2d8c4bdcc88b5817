"""A dataset as large as train2017, from a few real images: annotations with COCO's statistics."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.material import Material

IMAGES = 118_000
BOXES = 860_000
EMPTY_SHARE = 0.009
"""Images of train2017 without boxes."""
PERSON_SHARE = 0.305
"""Boxes of the first category; the others become rarer with their number."""
CROWD_SHARE = 0.012
LOG_SIDE = (3.73, 1.2)
"""Mean and deviation of the logarithm of a box's side (root of its area): 41 % small and 24 % large boxes."""
LOG_ASPECT = 0.5


@dataclass(frozen=True, slots=True)
class _Boxes:
    """One entry for each box: place of its image, category, x, y, width, height, crowd."""

    image: npt.NDArray[np.int64]
    category: npt.NDArray[np.int64]
    corners: npt.NDArray[np.float64]
    crowd: npt.NDArray[np.bool_]


def coco_like(source: Material, folder: Path, images: int = IMAGES, boxes: int = BOXES) -> Material:
    """Write annotations of so many images and boxes; return them as a dataset with its own cache folder.

    Every image has one of the files of `source`, so nothing is copied, and its size. The same numbers give the same
    annotations.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = msgspec.json.decode(source.annotations.read_bytes())
    files = known["images"]
    random = np.random.Generator(np.random.Philox(key=images))
    sizes = np.array([[files[place % len(files)][side] for side in ("width", "height")] for place in range(images)])
    drawn = _draw(random, sizes, boxes, len(known["categories"]))
    content = {
        "images": [files[place % len(files)] | {"id": place + 1} for place in range(images)],
        "annotations": _entries(drawn, [category["id"] for category in known["categories"]]),
        "categories": known["categories"],
    }
    file = folder / "annotations.json"
    file.write_bytes(msgspec.json.encode(content))
    name = f"{images:,} images and {boxes:,} boxes like COCO's"
    return replace(source, name=name, annotations=file, cache_dir=folder / "cache")


def _draw(random: np.random.Generator, sizes: npt.NDArray[np.int64], boxes: int, categories: int) -> _Boxes:
    image = np.repeat(np.arange(len(sizes)), _counts(random, len(sizes), boxes))
    rarer = 1 / (4.0 + np.arange(1, categories))
    shares = np.concatenate([[PERSON_SHARE], rarer / rarer.sum() * (1 - PERSON_SHARE)])
    side = np.exp(random.normal(*LOG_SIDE, boxes))
    stretch = np.exp(random.normal(0, LOG_ASPECT, boxes) / 2)
    wide = np.stack([side * stretch, side / stretch], axis=1)
    wide = np.clip(wide, 2.0, sizes[image] * 0.98)
    corner = random.random((boxes, 2)) * (sizes[image] - wide)
    return _Boxes(
        image,
        random.choice(categories, boxes, p=shares),
        np.concatenate([corner, wide], axis=1).round(2),
        random.random(boxes) < CROWD_SHARE,
    )


def _counts(random: np.random.Generator, images: int, boxes: int) -> npt.NDArray[np.int64]:
    """Return the number of boxes of each image: few have none, most a few, some dozens."""
    filled = random.random(images) >= EMPTY_SHARE
    weights = random.gamma(0.9, size=images) * filled
    return filled + random.multinomial(boxes - int(filled.sum()), weights / weights.sum())


def _entries(drawn: _Boxes, ids: list[int]) -> list[dict[str, object]]:
    columns = zip(
        drawn.image.tolist(), drawn.category.tolist(), drawn.corners.tolist(), drawn.crowd.tolist(), strict=True
    )
    return [
        {
            "id": number, "image_id": image + 1, "category_id": ids[category], "bbox": box,
            "area": round(box[2] * box[3], 2), "iscrowd": int(crowd),
        }
        for number, (image, category, box, crowd) in enumerate(columns, 1)
    ]  # fmt: skip
