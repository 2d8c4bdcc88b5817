"""The dataset to measure with: real COCO images if they are present, the demo dataset otherwise."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.reader import find_store
from sampler.dataset.images.entry_points.part_decoder import EntryPointDecoder
from sampler.dataset.images.entry_points.records import EntryPointRecords, records_file
from service.demo.dataset import ensure_demo

COCO = Path(__file__).resolve().parents[2] / "shared" / "coco-tiny"

SMALL_BOXES = 12
"""Boxes of 1–8 pixels in each image of the dataset with which the slowest samples are measured."""


@dataclass(frozen=True, slots=True)
class Material:
    """A dataset, its origin, and the cache folder with its index and, if there are any, entry points and a store."""

    name: str
    annotations: Path
    images: Path
    cache_dir: Path

    def open(self) -> Dataset:
        """Return the dataset with what its cache folder has: index, entry points, decoded store."""
        dataset = open_dataset(self.annotations, self.images, self.cache_dir)
        records = records_file(self.cache_dir, dataset.digest, dataset.images)
        if records.exists():
            dataset.decoder = EntryPointDecoder(EntryPointRecords.open(records), dataset.counts)
        return dataset.with_decoded(find_store(self.cache_dir, dataset.store_meta))

    def files(self) -> list[Path]:
        """Return the image files, in the order of the dataset."""
        dataset = self.open()
        return [self.images / dataset.file_name(index) for index in range(len(dataset))]

    def environment(self) -> dict[str, str]:
        """The variables that tell a server or a command of this dataset, and of no other."""
        own = {"ANNOTATIONS": self.annotations, "IMAGES": self.images, "CACHE_DIR": self.cache_dir}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMPLER_")}
        return kept | {f"SAMPLER_{name}": str(value) for name, value in own.items()}

    def decoded(self, cache_dir: Path) -> "Material":
        """Return the same dataset with a decoded store, in a separate cache folder."""
        return replace(self, cache_dir=cache_dir)._prepared()

    def recorded(self, cache_dir: Path) -> "Material":
        """Return the same dataset with the entry points of all images, in a cache folder of its own."""
        return replace(self, cache_dir=cache_dir)._prepared("--entry-points")

    def _prepared(self, *options: str) -> "Material":
        command = [sys.executable, "-m", "sampler", "decode", *options]
        subprocess.run(command, check=True, env=self.environment(), capture_output=True)
        return self

    def with_small_boxes(self, file: Path) -> "Material":
        """Return the same images with boxes of 1–8 pixels only; `file` is where their annotations are written."""
        content: dict[str, Any] = json.loads(self.annotations.read_text())
        random = np.random.Generator(np.random.Philox(key=8))
        content["annotations"] = [
            _small_box(random, image, content["categories"]) for image in content["images"] for _ in range(SMALL_BOXES)
        ]
        for number, annotation in enumerate(content["annotations"], 1):
            annotation["id"] = number
        file.write_text(json.dumps(content))
        return replace(self, annotations=file)


def _small_box(
    random: np.random.Generator, image: dict[str, Any], categories: list[dict[str, Any]]
) -> dict[str, object]:
    width, height = random.uniform(1, 8, 2).tolist()
    x, y = random.uniform(0, image["width"] - 9), random.uniform(0, image["height"] - 9)
    category = categories[int(random.integers(len(categories)))]["id"]
    return {"image_id": image["id"], "category_id": category, "bbox": [x, y, width, height], "iscrowd": 0}


def material(cache_dir: Path) -> Material:
    """Return what there is to measure on."""
    if COCO.is_dir():
        annotations = COCO / "annotations" / "instances_train2017.json"
        return Material("real COCO images", annotations, COCO / "images" / "train2017", cache_dir)
    demo = ensure_demo(cache_dir)
    return Material("the demo dataset", demo.annotations, demo.images, cache_dir)
