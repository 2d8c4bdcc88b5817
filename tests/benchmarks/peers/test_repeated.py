"""A dataset repeated for a longer epoch."""

from pathlib import Path

import numpy as np

from benchmarks.material import Material
from benchmarks.peers.repeated import repeated
from tests.support.scenes import IMAGES


def test_a_repeated_dataset_has_each_image_and_its_boxes_several_times(
    scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    source = Material("scenes", *scenes, tmp_path / "cache")
    single, many = source.open(), repeated(source, 2 * IMAGES + 1, tmp_path / "many").open()
    assert len(many) == 3 * IMAGES
    assert many.box_count == 3 * single.box_count
    boxes = sorted(len(many.boxes(index)) for index in range(len(many)))
    assert boxes == sorted(3 * [len(single.boxes(index)) for index in range(len(single))])
    names = {many.file_name(index) for index in range(len(many))}
    assert len(names) == 3 * IMAGES
    assert np.array_equal(
        sorted(many.decode(index).pixels.sum() for index in range(len(many))),
        sorted(3 * [single.decode(index).pixels.sum() for index in range(len(single))]),
    )
