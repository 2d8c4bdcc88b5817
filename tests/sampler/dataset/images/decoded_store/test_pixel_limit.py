"""Images beyond the pixel limit, which take no space in a decoded store."""

import json
from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.decoded_store.contents import StoreContents
from sampler.dataset.images.decoded_store.format import DECODED, RECORDS, START, STATE
from sampler.errors import ImageError
from tests.support.coco_files import image_file, write_dataset, write_jpeg
from tests.support.scenes import write_scenes
from tests.support.stores import folder_for, open_store, stored, write_store


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """Three images of 64×48, 80×40 and 64×48 pixels, without a store; their cache folder is `tmp_path`."""
    return open_dataset(*write_dataset(tmp_path), tmp_path)


@pytest.fixture
def scenes(tmp_path: Path) -> Dataset:
    """24 images of many sizes."""
    return open_dataset(*write_scenes(tmp_path), tmp_path)


def limited(dataset: Dataset, max_pixels: int) -> Dataset:
    return Dataset(dataset.index_dir, dataset.images, ReadOptions(max_pixels))


def assert_right(dataset: Dataset, cache_dir: Path, absent: int) -> None:
    """A store gives the pixels of the files, lacks so many images, and none shares bytes with another."""
    with_store = stored(dataset, cache_dir)
    assert with_store.store is not None
    assert with_store.store.absent == absent
    for index in range(len(dataset)):
        assert np.array_equal(with_store.read(index).pixels, dataset.read(index).pixels), index
    records = np.load(folder_for(dataset, cache_dir) / RECORDS)
    there = np.flatnonzero(records[:-1, STATE] == DECODED)
    order = there[np.argsort(records[there, START])]
    ends = records[order, START] + dataset.sizes[order].astype(np.int64).prod(axis=1) * 3
    assert (ends <= np.append(records[order[1:], START], with_store.store.nbytes)).all()


def test_the_pixel_limit_holds_for_a_store_too(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    store = open_store(small, tmp_path)
    limited = Dataset(small.index_dir, small.images, ReadOptions(64 * 48), store)
    assert limited.read(1).pixels.shape == (48, 64, 3)
    with pytest.raises(ImageError, match="limit of 3072") as caught:
        limited.read(0)
    assert caught.value.kind == "too-large"


def test_an_image_beyond_the_limit_takes_no_space(tmp_path: Path) -> None:
    source = write_dataset(tmp_path)
    content = json.loads(source[0].read_text())
    content["images"][0] |= {"width": 60_000, "height": 60_000}
    source[0].write_text(json.dumps(content))
    dataset = open_dataset(*source, tmp_path)
    [error] = write_store(dataset, tmp_path)
    assert error.kind == "mis-sized"
    store = open_store(dataset, tmp_path)
    assert store is not None
    assert store.nbytes < 100_000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_a_store_completed_under_a_higher_limit_is_right(share: float, scenes: Dataset, tmp_path: Path) -> None:
    limit = int(np.quantile(scenes.sizes.astype(int).prod(axis=1), share))
    few = limited(scenes, limit)
    beyond = write_store(few, tmp_path)
    assert {error.kind for error in beyond} == {"too-large"}
    assert 0 < len(beyond) < len(scenes)
    assert write_store(scenes, tmp_path) == []
    assert_right(scenes, tmp_path, absent=0)


def test_the_limit_may_change_between_runs(scenes: Dataset, tmp_path: Path) -> None:
    random = np.random.Generator(np.random.Philox(key=5))
    pixels = scenes.sizes.astype(int).prod(axis=1)
    for turn, share in enumerate([0.5, 0.2, 0.8, 0.1, 1.0, 0.4, 1.0]):
        for index in random.choice(len(scenes), 6, replace=False).tolist():
            height, width = scenes.size(index)
            write_jpeg(image_file(scenes, index), width, height, seed=100 * turn + index)
        write_store(limited(scenes, int(np.quantile(pixels, share))), tmp_path)
        store = open_store(scenes, tmp_path)
        assert store is not None
        assert_right(scenes, tmp_path, absent=0 if share == 1.0 else store.absent)


def test_a_store_without_any_image_can_be_opened(small: Dataset, tmp_path: Path) -> None:
    assert len(write_store(limited(small, 1), tmp_path)) == 3
    store = open_store(small, tmp_path)
    assert store is not None
    assert (store.absent, store.nbytes) == (3, 0)
    assert StoreContents.read(store.folder, small.store_meta).recorded(64) == []
    assert [store.pixels(index, *small.size(index)) for index in range(3)] == [None] * 3


@pytest.mark.parametrize("start", [-1, -(2**62), 2**40, 2**63 - 1, 28_672])
def test_a_record_that_points_outside_the_pixels_gives_none(start: int, small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    file = folder_for(small, tmp_path) / RECORDS
    records = np.load(file)
    records[2, START] = start
    np.save(file, records)
    store = open_store(small, tmp_path)
    assert store is not None
    assert store.pixels(2, *small.size(2)) is None
    assert np.array_equal(stored(small, tmp_path).read(2).pixels, small.read(2).pixels), "its file is read instead"
