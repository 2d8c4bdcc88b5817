"""The datasets to measure with."""

from pathlib import Path

from benchmarks.material import Material
from sampler.dataset.dataset import open_dataset


def test_small_boxes_are_small_and_inside_their_images(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    annotations, images = scenes
    small = Material("scenes", annotations, images, tmp_path).with_small_boxes(tmp_path / "small.json")
    dataset = open_dataset(small.annotations, images, tmp_path)
    assert dataset.box_count == 12 * len(dataset)
    sides = dataset.all_boxes[:, 2:4] - dataset.all_boxes[:, :2]
    assert (sides > 0.99).all()
    assert (sides < 8.01).all()
