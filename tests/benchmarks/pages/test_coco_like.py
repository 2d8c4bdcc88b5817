"""Annotations with COCO's statistics for any number of images."""

from pathlib import Path

import numpy as np

from benchmarks.material import Material
from benchmarks.pages.coco_like import coco_like
from sampler.dataset.dataset import open_dataset

IMAGES, BOXES = 400, 2900


def test_a_dataset_like_coco_has_few_files_and_as_many_boxes_as_asked_for(
    scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    annotations, images = scenes
    large = coco_like(Material("scenes", annotations, images, tmp_path), tmp_path / "large", IMAGES, BOXES)
    dataset = open_dataset(large.annotations, large.images, large.cache_dir)
    assert len(dataset) == IMAGES
    counts = np.array([len(dataset.boxes(index)) for index in range(IMAGES)])
    assert counts.sum() == BOXES
    assert 0 < (counts == 0).sum() < 20
    assert counts.max() > 3 * counts.mean()
    files = {dataset.file_name(index) for index in range(IMAGES)}
    assert files == {file.name for file in images.iterdir()}
