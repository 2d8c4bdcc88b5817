"""A detector family from outside the project is inspected and shown like the others."""

from pathlib import Path

import numpy as np

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.families.registry import register_family
from sampler.stream.keys import SampleKey
from service.explorer.inspection import inspect_sample, sample_document
from service.explorer.picture import style
from service.explorer.picture.panels import draw_panels
from service.explorer.picture.picture import sample_picture
from tests.support.toy_family import PATH

TOY = register_family(PATH).presets[0]


def opened(scenes: tuple[Path, Path], cache_dir: Path) -> Dataset:
    annotations, images = scenes
    return open_dataset(annotations, images, cache_dir)


def test_the_document_lists_its_arrays(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    document = sample_document(opened(scenes, cache_dir), TOY, SampleKey(3, 0, 7))
    assert list(document["arrays"]) == ["images", "counts", "centres"]
    assert document["arrays"]["counts"]["max"] == document["counts"]["objects"]


def test_boxes_have_no_radius_without_corners(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    document = sample_document(opened(scenes, cache_dir), TOY, SampleKey(3, 0, 7))
    assert document["counts"]["objects"] > 0
    assert {box["radius"] for box in document["boxes"]} == {None}


def test_the_picture_shows_its_plane_arrays(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    dataset, key = opened(scenes, cache_dir), SampleKey(3, 0, 7)
    panels = list(draw_panels(inspect_sample(dataset, TOY, key)))
    assert [panel.heading for panel in panels] == ["Original", "Crop", "Network input", "centres"]
    assert (np.asarray(panels[-1].image) == style.PLANES[0]).all(axis=-1).any()
    assert sample_picture(dataset, TOY, key).startswith(b"\x89PNG")
