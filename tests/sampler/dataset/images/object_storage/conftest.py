"""A dataset whose images are in a folder and in object storage."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset
from tests.support.object_store import ObjectStore

IMAGES = 40


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    """A dataset whose images are in a folder."""
    numbers = range(1, IMAGES + 1)
    boxes = [box_entry(number, number, 1, [5, 5, 40, 30]) for number in numbers]
    files = write_dataset(tmp_path, coco([image_entry(number) for number in numbers], boxes, [category_entry(1)]))
    return open_dataset(*files, tmp_path / "cache")


@pytest.fixture
def remote(local: Dataset, store: ObjectStore, tmp_path: Path) -> Dataset:
    """The same dataset with its images in object storage."""
    url = store.upload(tmp_path / "images", f"{tmp_path.name}/images")
    return open_dataset(tmp_path / "annotations.json", url, tmp_path / "cache")
