"""Samples from JPEG are compared with the fastest decoder that gives OpenCV's pixels."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.decoders import DECODERS, describe, fastest_exact, measure_decoders
from benchmarks.material import Material


@pytest.fixture
def files(scenes: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    annotations, images = scenes
    return Material("scenes", annotations, images, tmp_path).files()[:4]


def no_pixels(_: Path) -> npt.NDArray[np.uint8]:
    return np.zeros((1, 1, 3), np.uint8)


def test_the_decoders_without_shortcuts_give_the_pixels_of_opencv(files: list[Path]) -> None:
    found = {decoder.name: decoder for decoder in measure_decoders(files)}
    assert set(found) == set(DECODERS)
    for name in ("simplejpeg", "OpenCV", "Pillow"):
        assert found[name].exact
        np.testing.assert_array_equal(found[name].decode(files[0]), cv2.imread(str(files[0])))
    assert not found["simplejpeg with fast DCT"].exact


def test_a_faster_decoder_with_other_pixels_is_named_but_not_the_limit(files: list[Path]) -> None:
    found = measure_decoders(files, {"OpenCV": DECODERS["OpenCV"], "none": no_pixels})
    assert [decoder.name for decoder in found] == ["none", "OpenCV"]
    assert fastest_exact(found).name == "OpenCV"
    text = describe(found)
    assert text.startswith("The fastest exact decoder is OpenCV with ")
    assert text.endswith(" (other pixels).")
