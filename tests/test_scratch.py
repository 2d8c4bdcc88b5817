"""Decoding into memory that is used again gives the same pixels, and no more memory than one image takes."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sampler.config import preset
from sampler.dataset import open_dataset
from sampler.errors import ImageError
from sampler.images import read_image
from sampler.keys import SampleKey
from sampler.layouts import compact
from sampler.pixel_cache import PixelCache
from sampler.sample import make_sample
from sampler.scratch import LARGEST, Scratch
from tests.coco_files import opencv_pixels, photo, write_image, write_jpeg
from tests.laws import assert_same_arrays
from tests.scenes import IMAGES, write_scenes


def test_every_real_coco_image_is_the_same_in_scratch(shared: Path) -> None:
    scratch = Scratch()
    for file in sorted((shared / "coco-tiny/images").rglob("*.jpg")):
        expected = opencv_pixels(file)
        pixels = read_image(file, expected.shape[1], expected.shape[0], scratch=scratch)
        assert np.array_equal(pixels, expected)
        assert np.shares_memory(pixels, scratch.room(*expected.shape[:2]))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_kind_of_image_is_the_same_in_scratch(mode: str, tmp_path: Path) -> None:
    scratch = Scratch()
    for place, (width, height) in enumerate([(161, 120), (17, 9), (1, 1), (200, 300)]):
        file = tmp_path / f"{place}.jpg"
        Image.fromarray(photo(width, height)).convert(mode).save(file, "JPEG")
        assert np.array_equal(read_image(file, width, height, scratch=scratch), opencv_pixels(file))
        png = write_image(tmp_path / f"{place}.png", photo(width, height))
        assert np.array_equal(read_image(png, width, height, scratch=scratch), photo(width, height))


def test_a_bad_image_is_the_same_error_and_the_next_one_is_whole(tmp_path: Path) -> None:
    scratch = Scratch()
    good = write_jpeg(tmp_path / "good.jpg", 64, 48)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(good.read_bytes()[:-100])
    for width, height in ((64, 48), (60, 48)):
        with pytest.raises(ImageError) as plain:
            read_image(bad, width, height)
        with pytest.raises(ImageError) as with_scratch:
            read_image(bad, width, height, scratch=scratch)
        assert str(with_scratch.value) == str(plain.value)
    assert np.array_equal(read_image(good, 64, 48, scratch=scratch), opencv_pixels(good))


def test_memory_is_used_again_and_grows_to_the_largest_image_only() -> None:
    scratch = Scratch()
    large, small = scratch.room(100, 90), scratch.room(10, 20)
    assert small.shape == (10, 20, 3)
    assert small.flags.c_contiguous
    assert np.shares_memory(large, small)


def test_an_image_beyond_the_bound_gets_memory_of_its_own() -> None:
    scratch = Scratch()
    held = scratch.room(10, 10)
    huge = scratch.room(LARGEST // 3 + 1, 1)
    assert huge.nbytes > LARGEST
    assert not np.shares_memory(huge, scratch.room(10, 10))
    assert np.shares_memory(held, scratch.room(10, 10))


def test_samples_made_from_scratch_have_the_same_bytes_and_keep_them(tmp_path: Path) -> None:
    dataset, config = open_dataset(*write_scenes(tmp_path), tmp_path), preset("cornernet_saccade")
    keys = [SampleKey(3, epoch, index) for epoch in range(2) for index in range(IMAGES)]
    expected = [compact(make_sample(dataset, config, key)) for key in keys]
    cache = PixelCache.create(16, IMAGES)
    for other in (dataset.with_pixels(scratch=Scratch()), dataset.with_pixels(cache=cache, scratch=Scratch())):
        made = [compact(make_sample(other, config, key)) for key in keys]
        for arrays, wanted in zip(made, expected, strict=True):
            assert_same_arrays(arrays, wanted)
    assert cache.hits == IMAGES


def test_a_dataset_in_another_process_has_scratch_of_its_own(tmp_path: Path) -> None:
    dataset = open_dataset(*write_scenes(tmp_path), tmp_path).with_pixels(scratch=Scratch())
    again = pickle.loads(pickle.dumps(dataset))
    first, second = dataset.read(0), again.read(0)
    assert np.array_equal(first, second)
    assert not np.shares_memory(first, second)
    assert np.shares_memory(first, dataset.read(4))
