"""A small dataset with boxes of all sizes, overlaps, crowds and an image without boxes."""

from pathlib import Path

import numpy as np

from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, write_dataset

IMAGES = 24
SIZES = ((320, 240), (240, 320), (300, 200), (512, 384))
CATEGORY_IDS = (2, 5, 9)
EMPTY = 3
"""The image (by index) that has no boxes."""


def scenes() -> Entry:
    """Return the COCO file: 24 images, 3 categories, up to 8 boxes per image."""
    random = np.random.Generator(np.random.Philox(key=2026))
    images: list[Entry] = []
    annotations: list[Entry] = []
    for place in range(IMAGES):
        width, height = SIZES[place % len(SIZES)]
        images.append(image_entry(100 + 7 * place, width, height))
        for _ in range(0 if place == EMPTY else 1 + place % 8):
            size = random.uniform(4, 0.9 * min(width, height), 2)
            corner = random.uniform(0, 1, 2) * (np.array([width, height]) - size)
            box = [round(float(value), 2) for value in (*corner, *size)]
            category = CATEGORY_IDS[int(random.integers(len(CATEGORY_IDS)))]
            annotations.append(
                box_entry(len(annotations) + 1, 100 + 7 * place, category, box, iscrowd=int(random.integers(9) == 0))
            )
    return coco(images, annotations, [category_entry(number) for number in CATEGORY_IDS])


def write_scenes(folder: Path) -> tuple[Path, Path]:
    """Write the dataset; return its annotation file and image folder."""
    return write_dataset(folder, scenes())
