"""Thumbnails are small pictures of a crop, or of an image, with boxes; no targets are rendered for them."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sampler.config.presets import preset
from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import open_dataset
from sampler.drawing.colours import BOTTOM_RIGHT, CROWD, OBJECT, TOP_LEFT, UNTAGGED, Colour
from sampler.families.registry import register_family
from sampler.stream.keys import SampleKey
from service.explorer.sample.thumbnail import image_thumbnail, sample_thumbnail
from service.explorer.shell.assets import assets
from service.explorer.shell.thumbnails import THUMBNAIL_SIDE
from service.workers.datasets import WorkerDataset
from service.workers.protocol import ViewJob
from tests.support.toy_family import PATH

TOY = register_family(PATH).presets[0]
KEY = SampleKey(3, 0, 7)


def opened(scenes: tuple[Path, Path], cache_dir: Path, config: SamplerConfig) -> WorkerDataset:
    annotations, images = scenes
    return WorkerDataset(open_dataset(annotations, images, cache_dir), config)


def picture(jpeg: bytes) -> Image.Image:
    assert jpeg.startswith(b"\xff\xd8")
    return Image.open(io.BytesIO(jpeg))


def has(shown: Image.Image, colour: Colour) -> bool:
    """Whether a JPEG has pixels that are nearly of a colour."""
    return pixels_like(shown, colour) > 0


def pixels_like(shown: Image.Image, colour: Colour) -> int:
    """How many pixels of a JPEG are nearly of a colour."""
    distance = np.abs(np.asarray(shown).astype(int) - np.array(colour)).max(axis=-1)
    return int((distance < 40).sum())


@pytest.mark.parametrize("name", ["cornernet_saccade", "cornernet", "cornernet_squeeze"])
def test_a_sample_is_shown_with_boxes_and_corners(scenes: tuple[Path, Path], cache_dir: Path, name: str) -> None:
    config = preset(name)
    shown = picture(sample_thumbnail(opened(scenes, cache_dir, config), ViewJob("thumbnail", 0, (KEY,), False)))
    assert shown.size == (min(THUMBNAIL_SIDE, config.input_size[1]), min(THUMBNAIL_SIDE, config.input_size[0]))
    assert [has(shown, colour) for colour in (OBJECT, TOP_LEFT, BOTTOM_RIGHT)] == [True] * 3


def test_objects_without_tags_have_their_own_colour(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    few, enough = (replace(preset("cornernet_saccade"), name=f"of-{most}", max_objects=most) for most in (1, 128))
    job = ViewJob("thumbnail", 0, (KEY,), False)
    shown = {most: picture(sample_thumbnail(opened(scenes, cache_dir, most), job)) for most in (few, enough)}
    assert pixels_like(shown[few], UNTAGGED) > 100 + pixels_like(shown[enough], UNTAGGED)
    assert pixels_like(shown[few], OBJECT) < pixels_like(shown[enough], OBJECT)


def test_a_family_without_corners_is_shown_with_boxes(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    shown = picture(sample_thumbnail(opened(scenes, cache_dir, TOY), ViewJob("thumbnail", 0, (KEY,))))
    assert shown.size == (64, 64)
    assert has(shown, OBJECT)


def test_the_config_of_a_job_replaces_that_of_the_dataset(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    other = replace(preset("cornernet_saccade"), name="other", min_scale=64)
    dataset = opened(scenes, cache_dir, preset("cornernet"))
    assert dataset.with_config(other.as_dict()) == opened_as(dataset, other)


def opened_as(dataset: WorkerDataset, config: SamplerConfig) -> WorkerDataset:
    return WorkerDataset(dataset.dataset, config)


def test_crowd_boxes_have_the_colour_of_their_legend(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    dataset = opened(scenes, cache_dir, TOY)
    index = int(np.flatnonzero([dataset.dataset.crowd(index).any() for index in range(len(dataset.dataset))])[0])
    assert has(picture(image_thumbnail(dataset, ViewJob("image-thumbnail", 0, (SampleKey(0, 0, index),)))), CROWD)
    colour = f"#{bytes(CROWD).hex()}"
    for file in ("sample/boxes.css", "shell/style.css"):
        assert colour in assets().files[file].body.decode()


def test_an_image_is_shown_as_it_is(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    dataset = opened(scenes, cache_dir, TOY)
    shown = picture(image_thumbnail(dataset, ViewJob("image-thumbnail", 0, (SampleKey(0, 0, 7),))))
    height, width = dataset.dataset.size(7)
    assert max(shown.size) == THUMBNAIL_SIDE
    assert shown.width / shown.height == pytest.approx(width / height, abs=0.02)
    assert has(shown, OBJECT)
