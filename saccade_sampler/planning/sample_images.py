"""Some images of a dataset, prepared in a cache folder of their own, to measure with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saccade_sampler.planning.demand import PlanError
from sampler.config.cornernet_lite import load_config
from sampler.config_schema import SamplerConfig
from sampler.cpus import available_cpus
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.entry_points.records import EntryPointRecords, records_file
from sampler.dataset.parallel_map import parallel_map
from sampler.dataset.preparation.entry_points import record_images
from sampler.dataset.preparation.store_writer import open_writer
from sampler.errors import ImageError
from sampler.kernels.compiled.kernels import warm_up
from sampler.printable import name_text
from service.demo.dataset import ensure_demo
from service.settings.datasets import DatasetSettings
from service.settings.server import PREFIX, Settings

MOST_IMAGES = 256
LEAST_IMAGES = 16
MOST_PIXEL_BYTES = 256 << 20
"""Size of the decoded store of the images, unless that were fewer than `LEAST_IMAGES`."""


@dataclass(frozen=True, slots=True)
class SampleImages:
    """Images to measure with.

    Attributes:
        title: Where they are from, in words.
        folder: Their cache folder.
        dataset: The images as a dataset of their own.
        config: The config that fits it.
        all_images: Number of images of the whole dataset.
        file_bytes: Mean size of their files.
        index_bytes: Disk space of the whole dataset's index for each image.
        settings: Settings of their server: names without prefix, and values as variables have them.
    """

    title: str
    folder: Path
    dataset: Dataset
    config: SamplerConfig
    all_images: int
    file_bytes: float
    index_bytes: float
    settings: Mapping[str, str]

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a server of the images. variables: those of this process."""
        kept = {name: value for name, value in variables.items() if not name.startswith(PREFIX)}
        return kept | {PREFIX + name.upper(): value for name, value in self.settings.items()}

    def record_entry_points(self) -> float:
        """Record the entry points of all images. Return the disk space of an image in bytes."""
        warm_up(self.folder / "kernels")
        records = EntryPointRecords.open(records_file(self.folder, self.dataset.digest, self.dataset.images))
        for image in record_images(self.dataset, records, available_cpus()):
            if image.error is not None:
                raise image.error
        return records.disk_bytes / len(self.dataset)

    def decode(self) -> float:
        """Write the decoded store of all images. Return the disk space of an image in bytes."""
        with open_writer(self.dataset, self.folder) as writer:
            for error in writer.run(available_cpus(), lambda _: None):
                raise error
            return writer.nbytes / len(self.dataset)


def sample_images(settings: Settings, folder: Path) -> SampleImages:
    """Return some images of the dataset that a server with these settings has; the first of several datasets.

    They are spread evenly over the dataset. Images that cannot be read are left out.

    Args:
        settings: Of the server.
        folder: The cache folder of the images. The index of the whole dataset is in the settings' cache folder.

    Raises:
        PlanError: None of the images can be read.
        SamplerError: The dataset cannot be opened.
    """
    name, part = next(iter(settings.served.items()))
    annotations, images = part.annotations, part.images
    if not annotations or not images:
        demo = ensure_demo(settings.cache_dir)
        annotations, images = (demo.annotations,), (demo.images,)
    # Damaged images are left out: they cost what the log line about each of them costs.
    options = ReadOptions(settings.max_image_pixels, "refuse", part.follow_links)
    whole = open_dataset(annotations, images, settings.cache_dir, options=options, subset=part.subset)
    chosen = _readable(whole, _spread(whole))
    subset = folder / "subset.json"
    subset.write_text(json.dumps([whole.image_id(index) for index in chosen]))
    dataset = open_dataset(annotations, images, folder, options=options, subset=subset)
    title = "the demo dataset" if part.annotations is None else name or "+".join(map(name_text, annotations))
    return SampleImages(
        title=title,
        folder=folder,
        dataset=dataset,
        config=load_config(part.config, keep_crowd=part.keep_crowd).fit(dataset.category_count),
        all_images=len(whole),
        file_bytes=float(np.mean([whole.images.stat(whole.file_name(index)).size for index in chosen])),
        index_bytes=_disk_bytes(whole.index_dir) / len(whole),
        settings=_variables(settings, part, annotations, images) | {"cache_dir": str(folder), "subset": str(subset)},
    )


def _spread(dataset: Dataset) -> list[int]:
    """Return indices that are spread evenly."""
    mean = 3 * float(dataset.sizes.astype(np.int64).prod(axis=1).mean())
    count = min(MOST_IMAGES, max(LEAST_IMAGES, int(MOST_PIXEL_BYTES / mean)), len(dataset))
    indices: list[int] = np.linspace(0, len(dataset) - 1, count).astype(np.int64).tolist()
    return indices


def _readable(dataset: Dataset, indices: list[int]) -> list[int]:
    """Return the indices whose images can be read, which are in the page cache afterwards."""
    threads = available_cpus()

    def read(index: int) -> ImageError | None:
        try:
            dataset.decode(index)
        except ImageError as error:
            return error
        return None

    errors = list(parallel_map(read, indices, threads, window=4 * threads))
    readable = [index for index, error in zip(indices, errors, strict=True) if error is None]
    if not readable:
        first = next(error for error in errors if error is not None)
        raise PlanError(f"none of {len(indices)} images can be read; the first: {first}")
    return readable


def _variables(
    settings: Settings, part: DatasetSettings, annotations: tuple[object, ...], images: tuple[object, ...]
) -> dict[str, str]:
    return {
        "annotations": json.dumps([str(file) for file in annotations]),
        "images": json.dumps([str(location) for location in images]),
        "config": part.config,
        "keep_crowd": str(part.keep_crowd),
        "follow_links": str(part.follow_links),
        "max_image_pixels": str(settings.max_image_pixels),
        "workers": str(available_cpus()),
        "log_level": "warning",
    }


def _disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
