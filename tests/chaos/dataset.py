"""The dataset that is served, and another that takes its place for a while."""

import json
from dataclasses import dataclass
from pathlib import Path

from sampler.atomic_write import atomic_write
from sampler.config.cornernet_lite import load_config
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.coco_files import Entry, box_entry, category_entry, coco, image_entry, write_images, write_json

IMAGES = 40

CONFIG = {
    "system": {"sampling_function": "cornernet"},
    "db": {
        "input_size": [63, 63],
        "output_sizes": [[16, 16]],
        "rand_scale_min": 0.6,
        "rand_scale_max": 1.4,
        "rand_scale_step": 0.1,
        "rand_scales": None,
        "rand_crop": True,
        "rand_color": True,
        "border": 16,
        "gaussian_bump": True,
    },
}
"""Small samples: 10,000 steps take seconds, and time is left for faults."""


@dataclass(frozen=True, slots=True)
class ServedFiles:
    """Files of a dataset whose annotations can be replaced."""

    folder: Path
    name: str = "annotations.json"

    @property
    def annotations(self) -> Path:
        return self.folder / self.name

    def of_host(self, number: int) -> "ServedFiles":
        """Return the same files with separate annotations, written for the first time."""
        files = ServedFiles(self.folder, f"annotations-{number}.json")
        files.serve_true()
        return files

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def config(self) -> Path:
        return self.folder / "tiny.json"

    def write(self) -> None:
        """Write images, config and the true annotations."""
        write_images(self.images, _content(shift=0))
        write_json(self.config, CONFIG)
        self.serve_true()

    def serve_true(self) -> None:
        """Have the true annotations in place. A running server has read them before."""
        self._replace(shift=0)

    def serve_other(self) -> None:
        """Have other annotations of the same images in place."""
        self._replace(shift=1)

    def open(self) -> tuple[Dataset, SamplerConfig]:
        """Return the true dataset and the config, from a separate copy of the annotations and a separate cache."""
        copy = write_json(self.folder / "oracle" / "annotations.json", _content(shift=0))
        dataset = open_dataset(copy, self.images, self.folder / "oracle" / "cache")
        return dataset, load_config(str(self.config)).fit(dataset.category_count)

    def _replace(self, shift: int) -> None:
        atomic_write(self.annotations, json.dumps(_content(shift)).encode())


def _content(shift: int) -> Entry:
    """Return a COCO file with one to three boxes an image, moved by `shift` pixels."""
    images = [image_entry(number, 64 + number % 32, 48 + number % 24) for number in range(1, IMAGES + 1)]
    boxes = [
        box_entry(10 * number + place, number, 1 + place, [4 + 6 * place + shift, 3 + 5 * place, 20 + place, 25])
        for number in range(1, IMAGES + 1)
        for place in range(1 + number % 3)
    ]
    return coco(images, boxes, [category_entry(number) for number in (1, 2, 3)])
