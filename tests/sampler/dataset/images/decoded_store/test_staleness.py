"""A decoded store belongs to the image files it was made from."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decoded_store.contents import StoreContents
from sampler.dataset.images.local_folder import LocalFolder
from sampler.errors import ImageSourceError, StoreError
from service.lifespan.decoded_images import COMPARED, find_decoded
from tests.support.coco_files import image_file, image_folder, write_dataset, write_jpeg
from tests.support.live_server import LiveServer, live_server
from tests.support.stores import folder_for, open_store, stored, write_store
from tests.support.wire_client import body


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """Three images with a store; their cache folder is `tmp_path`."""
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)
    assert write_store(dataset, tmp_path) == []
    return dataset


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("saccade_sampler"), "propagate", True)  # a server started here turns it off
    return caplog


def another_folder(dataset: Dataset, folder: Path) -> Dataset:
    """The same annotations with other pixels, in a folder of their own."""
    shutil.copytree(image_folder(dataset), folder)
    other = Dataset(dataset.index_dir, LocalFolder(folder))
    for index in range(len(other)):
        height, width = other.size(index)
        write_jpeg(image_file(other, index), width, height, seed=500 + index)
    assert other.digest == dataset.digest
    return other


def test_another_image_folder_does_not_get_the_pixels_of_the_first(small: Dataset, tmp_path: Path) -> None:
    other = another_folder(small, tmp_path / "other")
    with pytest.raises(StoreError, match=r"is of other images than those in .*other; run `saccade-sampler decode`"):
        open_store(other, tmp_path)
    assert write_store(other, tmp_path) == []
    for dataset in (small, other):
        assert all(np.array_equal(stored(dataset, tmp_path).read(i).pixels, dataset.read(i).pixels) for i in range(3))
    assert not np.array_equal(stored(other, tmp_path).read(0).pixels, small.read(0).pixels)


def test_symlinks_and_relative_paths_name_the_same_image_folder(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(image_folder(small))
    monkeypatch.chdir(image_folder(small).parent)
    for name in (link, Path(image_folder(small).name), image_folder(small) / ".." / image_folder(small).name):
        again = Dataset(small.index_dir, LocalFolder(name))
        assert folder_for(again, tmp_path) == folder_for(small, tmp_path)
        with_store = stored(again, tmp_path)
        assert np.array_equal(with_store.read(1).pixels, small.read(1).pixels)


def test_an_image_folder_with_an_undecodable_name_has_a_store(small: Dataset, tmp_path: Path) -> None:
    try:
        other = another_folder(small, Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")))
    except OSError:
        pytest.skip("the file system takes no such name")
    assert write_store(other, tmp_path) == []
    assert np.array_equal(stored(other, tmp_path).read(0).pixels, other.read(0).pixels)


def test_a_server_uses_a_store_whose_files_are_unchanged(
    small: Dataset, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    found = find_decoded("val", tmp_path, small)
    assert found is not None
    assert found.folder == folder_for(small, tmp_path)
    assert not [record for record in log.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("change", ["replaced", "touched", "gone"])
def test_a_server_logs_and_ignores_a_store_whose_files_have_changed(
    change: str, small: Dataset, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    file, (height, width) = image_file(small, 1), small.size(1)
    time = file.stat().st_mtime_ns
    if change == "replaced":
        write_jpeg(file, width, height, seed=78)
        file.write_bytes(file.read_bytes() + b"more")
        os.utime(file, ns=(time, time))
    elif change == "touched":
        os.utime(file, ns=(time, time + 1_000_000_000))
    else:
        file.rename(tmp_path / "away")
    assert find_decoded("val", tmp_path, small) is None
    [line] = [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]
    assert line.startswith(
        "val: decoded store: not used: 1 of 3 compared image files have changed since they were decoded"
    )
    assert str(file) in line
    assert "`saccade-sampler decode` to update" in line
    write_store(small, tmp_path)
    found = find_decoded("val", tmp_path, small)
    assert found is not None
    assert found.folder == folder_for(small, tmp_path)


def test_compared_files_are_spread_over_the_store(small: Dataset, tmp_path: Path) -> None:
    image_file(small, 1).unlink()
    write_store(small, tmp_path)
    store = StoreContents.read(folder_for(small, tmp_path), small.store_meta)
    assert [index for index, _ in store.recorded(COMPARED)] == [0, 2], "what is absent is read from its file anyway"
    assert [index for index, _ in store.recorded(1)] == [0]
    status = image_file(small, 2).stat()
    assert store.recorded(2)[1] == (2, (status.st_size, status.st_mtime_ns))


def test_decode_leaves_a_store_as_it_is_if_the_image_folder_is_empty(small: Dataset, tmp_path: Path) -> None:
    """Such as a folder whose disk is not mounted. The server still starts fast once it is back."""
    files = {file: file.read_bytes() for file in folder_for(small, tmp_path).iterdir()}
    folder = image_folder(small)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    with pytest.raises(ImageSourceError, match=r"images: none of 3 images can be read.*--force"):
        write_store(small, tmp_path)
    assert {file: file.read_bytes() for file in folder_for(small, tmp_path).iterdir()} == files
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    assert find_decoded("val", tmp_path, small) is not None


def test_a_server_of_another_image_folder_serves_its_own_pixels_and_leaves_the_store_alone(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    """The store is of other pixels; the server of `scenes` must serve those of `scenes`."""
    annotations, images = scenes
    cache = tmp_path / "cache"
    first = another_folder(open_dataset(annotations, images, cache), tmp_path / "first")
    write_store(first, cache)
    query = "seed=5&step=1&batch_size=6&layout=compact"
    with live_server(tmp_path, annotations=annotations, images=images, cache_dir=cache, workers=1) as other:
        assert body(other.url, query) == body(server.url, query)
        [line] = [line for line in other.log.splitlines() if "decoded store" in line]
    assert "WARNING" in line
    assert "is of other images than those in" in line
    assert np.array_equal(stored(first, cache).read(3).pixels, first.read(3).pixels)
