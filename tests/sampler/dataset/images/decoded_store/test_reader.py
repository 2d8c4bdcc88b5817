"""A decoded store returns the pixels of the image files, or reports why it cannot."""

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from sampler.arrays import LAYOUTS, Layout
from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.format import PAGE
from sampler.dataset.images.decoded_store.reader import DecodedStore, find_store
from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.part_decoding import DecodeCounts
from sampler.errors import ImageError, StoreError
from sampler.layouts.convert import lay_out
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from service.lifespan.decoded_images import create_cache
from service.settings.server import Settings
from service.workers.datasets import open_datasets
from service.workers.protocol import DatasetSetup, WorkerSetup
from tests.support.coco_files import image_file, image_folder, write_dataset, write_jpeg
from tests.support.laws import assert_same_arrays
from tests.support.live_server import LiveServer, live_server
from tests.support.scenes import IMAGES, write_scenes
from tests.support.stores import open_store, stored, write_store
from tests.support.wire_client import body


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """A dataset without and with its store."""
    folder = tmp_path_factory.mktemp("whole")
    dataset = open_dataset(*write_scenes(folder), folder / "cache")
    assert write_store(dataset, folder / "cache") == []
    return dataset, stored(dataset, folder / "cache")


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """Three images of 64×48, 80×40 and 64×48 pixels, without a store; their cache folder is `tmp_path`."""
    return open_dataset(*write_dataset(tmp_path), tmp_path)


def folder_of(dataset: Dataset, cache_dir: Path) -> Path:
    store = open_store(dataset, cache_dir)
    assert store is not None
    return store.folder


def test_a_store_gives_the_pixels_of_the_files_without_a_copy(whole: tuple[Dataset, Dataset]) -> None:
    plain, with_store = whole
    for index in range(IMAGES):
        pixels = with_store.read(index).pixels
        assert np.array_equal(pixels, plain.read(index).pixels)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (*plain.size(index), 3)
        assert pixels.flags.c_contiguous
        assert not pixels.flags.writeable
        assert pixels.ctypes.data % PAGE == 0
        again = with_store.read(index).pixels
        assert again.ctypes.data == pixels.ctypes.data


@pytest.mark.parametrize("config", ["cornernet_saccade", "cornernet", "cornernet_squeeze"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_sample_has_the_same_bytes_with_a_store(
    whole: tuple[Dataset, Dataset], config: str, layout: Layout
) -> None:
    made = [
        [
            lay_out(make_sample(dataset, preset(config), SampleKey(3, epoch, index)), layout, preset(config), 3)
            for epoch in range(2)
            for index in range(0, IMAGES, 5)
        ]
        for dataset in whole
    ]
    for plain, from_store in zip(*made, strict=True):
        assert_same_arrays(from_store, plain)


def test_pixels_outlive_the_store_that_gave_them(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    dataset = stored(small, tmp_path)
    pixels = dataset.read(0).pixels
    shutil.rmtree(folder_of(small, tmp_path))
    del dataset
    assert np.array_equal(pixels, small.read(0).pixels)


def test_an_image_that_could_not_be_decoded_is_the_same_error_with_a_store(small: Dataset, tmp_path: Path) -> None:
    whole = image_file(small, 1).read_bytes()
    image_file(small, 1).write_bytes(whole[:-100])
    [error] = write_store(small, tmp_path)
    with_store = stored(small, tmp_path)
    for dataset in (small, with_store):
        with pytest.raises(ImageError) as caught:
            dataset.read(1)
        assert (str(caught.value), caught.value.kind, caught.value.index) == (str(error), "unreadable", 1)
    assert with_store.store is not None
    assert with_store.store.absent == 1
    assert np.array_equal(with_store.read(2).pixels, small.read(2).pixels), "the others are there"
    image_file(small, 1).write_bytes(whole)
    assert np.array_equal(with_store.read(1).pixels, small.read(1).pixels), "a file that was mended is read"


@pytest.mark.parametrize("answer", [BlockingIOError(), OSError(95, "Operation not supported")])
def test_pixels_read_from_disk_are_the_same(
    answer: OSError, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in memory, or on a file system that cannot tell."""
    write_store(small, tmp_path)
    dataset = stored(small, tmp_path)

    def told(*_: object) -> int:
        raise answer

    monkeypatch.setattr(os, "preadv", told)
    for index in (0, 1, 2, 0):
        assert np.array_equal(dataset.read(index).pixels, small.read(index).pixels)


def test_find_store_returns_none_without_a_store(small: Dataset, tmp_path: Path) -> None:
    assert open_store(small, tmp_path) is None
    assert open_store(small, tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("pixels.bin", "short", "pixels.bin is truncated"),
        ("pixels.bin", "gone", "pixels.bin"),
        ("records.npy", "short", "is damaged"),
        ("records.npy", "other", "records.npy is int64"),
        ("records.npy", "gone", "is incomplete"),
        ("meta.json", "gone", "meta.json"),
        ("meta.json", "short", "meta.json"),
    ],
)
def test_a_damaged_store_is_refused_with_its_cause_and_repaired(
    name: str, damage: str, words: str, small: Dataset, tmp_path: Path
) -> None:
    write_store(small, tmp_path)
    file = folder_of(small, tmp_path) / name
    if damage == "gone":
        file.unlink()
    elif damage == "short":
        os.truncate(file, file.stat().st_size - 3)
    else:
        np.save(file, np.zeros((2, 4), np.int64))
    with pytest.raises(StoreError, match=words) as caught:
        open_store(small, tmp_path)
    assert str(file.parent) in str(caught.value)
    assert write_store(small, tmp_path) == []
    for index in range(3):
        assert np.array_equal(stored(small, tmp_path).read(index).pixels, small.read(index).pixels)


@pytest.mark.parametrize(
    "change", [{"format": 9}, {"digest": "0" * 32}, {"images": 4}, {"images_dir": "/b"}, {"rules": "exif-1"}]
)
def test_a_store_of_something_else_is_refused(change: dict[str, object], small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    meta = folder_of(small, tmp_path) / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | change))
    with pytest.raises(StoreError, match=f"meta.json has {next(iter(change))} = "):
        open_store(small, tmp_path)


def test_a_store_of_another_version_is_reported(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    folder = folder_of(small, tmp_path)
    folder.rename(folder.with_name(f"{small.digest}-v0"))
    with pytest.raises(StoreError, match=r"-v0: is of another version, expected v3"):
        open_store(small, tmp_path)


def test_a_store_of_another_dataset_is_not_found(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    other = msgspec.structs.replace(small.store_meta, digest="0" * 32)
    assert find_store(tmp_path, other) is None
    with pytest.raises(StoreError, match="has digest"):
        DecodedStore(folder_of(small, tmp_path), other)


def test_an_open_store_keeps_its_pixels_while_images_are_decoded_again(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    before = stored(small, tmp_path)
    old = [before.read(index).pixels.copy() for index in range(3)]
    held = before.read(1).pixels
    write_jpeg(image_file(small, 1), 64, 48, seed=77)
    assert write_store(small, tmp_path) == []
    assert np.array_equal(held, old[1])
    assert np.array_equal(before.read(1).pixels, old[1])
    after = stored(small, tmp_path)
    assert np.array_equal(after.read(1).pixels, small.read(1).pixels)
    assert not np.array_equal(after.read(1).pixels, old[1])
    assert np.array_equal(after.read(2).pixels, old[2])


def test_an_open_store_keeps_its_pixels_while_all_are_decoded_again(small: Dataset, tmp_path: Path) -> None:
    write_store(small, tmp_path)
    before = stored(small, tmp_path)
    old = before.read(0).pixels.copy()
    write_jpeg(image_file(small, 0), 80, 40, seed=78)
    write_store(small, tmp_path, force=True)
    assert np.array_equal(before.read(0).pixels, old)
    assert np.array_equal(stored(small, tmp_path).read(0).pixels, small.read(0).pixels)


def _wipe(file: Path) -> None:
    """Leave a file that nobody can decode, of the same size and time: whoever reads it shows."""
    status = file.stat()
    file.write_bytes(bytes(status.st_size))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_server_with_a_store_serves_the_bytes_of_one_without(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    annotations, images = scenes[0], tmp_path / "images"
    shutil.copytree(scenes[1], images)
    dataset = open_dataset(annotations, images, tmp_path / "cache")
    write_store(dataset, tmp_path / "cache")
    settings = {"annotations": annotations, "cache_dir": tmp_path / "cache", "workers": 2}
    for index in range(len(dataset)):
        _wipe(image_file(dataset, index))
    with live_server(tmp_path, images=images, **settings) as with_store:
        for layout in LAYOUTS:
            query = f"seed=5&step=1&batch_size=24&layout={layout}"
            assert body(with_store.url, query) == body(server.url, query)
        pictures = [httpx.get(f"{url}/debug/samples/4.png?seed=7", timeout=60) for url in (with_store.url, server.url)]
        assert pictures[0].status_code == 200
        assert pictures[0].content == pictures[1].content
        [line] = [line for line in with_store.log.splitlines() if "decoded store" in line]
    assert "INFO" in line
    assert "24 images" in line
    assert "decoded store: none" in server.log


def test_a_server_logs_and_ignores_a_damaged_store(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    annotations, images = scenes
    dataset = open_dataset(annotations, images, tmp_path / "cache")
    write_store(dataset, tmp_path / "cache")
    pixels = folder_of(dataset, tmp_path / "cache") / "pixels.bin"
    os.truncate(pixels, pixels.stat().st_size // 2)
    query = "seed=5&step=1&batch_size=6&layout=compact"
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=tmp_path / "cache", workers=1
    ) as without:
        assert body(without.url, query) == body(server.url, query)
        [line] = [line for line in without.log.splitlines() if "decoded store" in line]
    assert "WARNING" in line
    assert "not used" in line
    assert "truncated" in line


def test_a_server_works_without_memory_for_a_cache(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> ImageCache:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ImageCache, "create", refused)
    monkeypatch.setattr(logging.getLogger("saccade_sampler"), "propagate", True)  # a server started here turns it off
    assert create_cache(Settings(cache_dir=tmp_path, decoded_cache_mb=1), len(small)) is None
    assert "image cache: not used: [Errno 12] Cannot allocate memory" in caplog.text


def test_a_worker_works_without_a_store_or_cache_that_disappeared(
    small: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = DatasetSetup(small.index_dir, (image_folder(small),), preset("cornernet_saccade"))
    no_store, no_cache = replace(setup, decoded_store=tmp_path / "gone"), WorkerSetup((setup,), image_cache=9999)
    for gone in (WorkerSetup((no_store,)), no_cache):
        dataset = open_datasets(gone, DecodeCounts())[0].dataset
        assert np.array_equal(dataset.read(0).pixels, small.read(0).pixels)
        assert "decoded images are not used" in capsys.readouterr().err
