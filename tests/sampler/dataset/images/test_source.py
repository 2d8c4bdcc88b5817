"""Image sources, and everything that reads images with a source that is not a folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset, open_source
from sampler.dataset.image_names import name_fault
from sampler.dataset.images.decoded_store.reader import find_store
from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.images.source import ImageSource
from sampler.dataset.verification.verify import verify_dataset
from sampler.errors import ImageError, ImageSourceError
from sampler.replay import Case, replay_cases
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from tests.support.coco_files import image_folder, write_dataset, write_jpeg
from tests.support.memory_source import MemorySource
from tests.support.stores import write_store

CONFIG = preset("cornernet_saccade")
NAME = "000000000020.jpg"


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    return open_dataset(*write_dataset(tmp_path), tmp_path)


@pytest.fixture
def remote(local: Dataset) -> Dataset:
    """The same dataset, whose image folder exists no more."""
    source = MemorySource.copy_of(image_folder(local))
    return Dataset(local.index_dir, source)


@pytest.fixture(params=["folder", "memory"])
def source(request: pytest.FixtureRequest, local: Dataset, remote: Dataset) -> ImageSource:
    return local.images if request.param == "folder" else remote.images


class TestEverySource:
    def test_a_range_is_part_of_the_image_and_ends_with_it(self, source: ImageSource) -> None:
        data = source.read(NAME, 1 << 20)
        assert source.stat(NAME).size == len(data)
        assert source.read_range(NAME, 10, 20) == data[10:30]
        assert source.read_range(NAME, len(data) - 5, 100) == data[-5:]
        assert source.read_range(NAME, len(data), 100) == b""

    def test_an_image_longer_than_the_limit_is_an_error(self, source: ImageSource) -> None:
        size = source.stat(NAME).size
        assert len(source.read(NAME, size)) == size
        with pytest.raises(ImageError, match=f"{size} bytes are more than") as caught:
            source.read(NAME, size - 1)
        assert (caught.value.kind, caught.value.file) == ("too-large", source.describe(NAME))

    def test_a_missing_image_is_an_error_that_names_it(self, source: ImageSource) -> None:
        for method in (source.stat, lambda name: source.read(name, 100), lambda name: source.read_range(name, 0, 1)):
            with pytest.raises(ImageError, match=r"gone\.jpg") as caught:
                method("gone.jpg")
            assert caught.value.kind == "missing"

    def test_the_states_of_many_images_are_those_of_each_and_a_missing_one_has_none(self, source: ImageSource) -> None:
        first, missing, last = source.stats([NAME, "gone.jpg", "000000000010.jpg"])
        assert (first, missing, last) == (source.stat(NAME), None, source.stat("000000000010.jpg"))

    def test_an_image_is_read_without_its_state_unless_the_source_is_remote(self, source: ImageSource) -> None:
        assert source.read_versioned(NAME, 1 << 20) == (source.read(NAME, 1 << 20), None)

    def test_all_names_are_listed(self, source: ImageSource) -> None:
        assert sorted(source.names()) == ["000000000010.jpg", NAME, "000000000030.jpg"]


class TestLocalFolder:
    def test_the_version_changes_with_the_file(self, local: Dataset) -> None:
        before = local.images.stat(NAME)
        assert local.images.stat(NAME) == before
        write_jpeg(image_folder(local) / NAME, 64, 48, seed=9)
        assert local.images.stat(NAME) != before

    def test_names_have_subfolders(self, tmp_path: Path) -> None:
        write_jpeg(tmp_path / "a" / "b c" / "ü.jpg", 8, 8)
        assert list(LocalFolder(tmp_path).names()) == ["a/b c/ü.jpg"]

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "", ".."])
    def test_no_name_leaves_the_folder(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "images" / "a").mkdir(parents=True)
        folder = LocalFolder(tmp_path / "images")
        for method in (folder.stat, lambda name: folder.read(name, 100), lambda name: folder.read_range(name, 0, 9)):
            with pytest.raises(ImageError) as caught:
                method(name)
            assert caught.value.kind == "unreadable"

    def test_a_location_is_a_folder_that_exists(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert open_source(str(tmp_path)).identity == str(tmp_path.resolve())
        with pytest.raises(ImageSourceError, match="gone: image folder does not exist"):
            open_source(tmp_path / "gone")
        with pytest.raises(ImageSourceError, match="file: is not a folder"):
            open_source(tmp_path / "file")

    def test_a_folder_that_is_gone_cannot_be_listed(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        folder = LocalFolder(tmp_path / "images")
        (tmp_path / "images").rmdir()
        with pytest.raises(ImageSourceError, match="images: cannot be listed: No such file"):
            list(folder.names())


def test_a_name_is_valid_text() -> None:
    assert name_fault("train/ü.jpg") == ""
    assert "not valid text" in name_fault("\ud800.jpg")


class TestAnotherSource:
    """Everything that reads images works without a file system."""

    def test_samples_are_the_same(self, local: Dataset, remote: Dataset) -> None:
        for index in range(3):
            key = SampleKey(5, 0, index)
            here, there = (make_sample(dataset, CONFIG, key) for dataset in (local, remote))
            assert np.array_equal(here.crop, there.crop)
            assert here.recipe == there.recipe

    def test_errors_name_the_object_and_the_index(self, remote: Dataset) -> None:
        assert isinstance(remote.images, MemorySource)
        remote.images.images[NAME] = remote.images.images[NAME][:-100]
        with pytest.raises(ImageError, match=rf"image 1 \(memory://test/{NAME}\): JPEG is truncated") as caught:
            remote.read(1)
        assert (caught.value.index, caught.value.kind) == (1, "unreadable")

    def test_verify_reads_it(self, remote: Dataset) -> None:
        assert verify_dataset(remote).clean
        assert isinstance(remote.images, MemorySource)
        del remote.images.images[NAME]
        report = verify_dataset(remote)
        assert report.counts["missing"] == 1
        assert report.examples["missing"][0].where == f"memory://test/{NAME}"

    def test_a_store_of_it_notices_changes_and_is_not_that_of_a_folder(
        self, local: Dataset, remote: Dataset, tmp_path: Path
    ) -> None:
        assert write_store(remote, tmp_path) == []
        store = find_store(tmp_path, remote.store_meta)
        assert store is not None
        assert local.store_meta.folder(tmp_path) != store.folder
        assert np.array_equal(remote.with_decoded(store).read(0).pixels, local.read(0).pixels)
        assert isinstance(remote.images, MemorySource)
        remote.images.images[NAME] = write_jpeg(tmp_path / "other.jpg", 64, 48, seed=77).read_bytes()
        assert write_store(remote, tmp_path) == []
        renewed = find_store(tmp_path, remote.store_meta)
        assert renewed is not None
        assert np.array_equal(remote.with_decoded(renewed).read(1).pixels, remote.read(1).pixels)
        assert not np.array_equal(remote.read(1).pixels, local.read(1).pixels)

    def test_an_image_cache_holds_its_images(self, remote: Dataset) -> None:
        cached = remote.with_decoded(cache=ImageCache.create(1, len(remote)))
        expected = cached.read(1).pixels
        assert isinstance(remote.images, MemorySource)
        remote.images.images.clear()
        assert np.array_equal(cached.read(1).pixels, expected)

    def test_recorded_samples_are_replayed_from_it(self, local: Dataset, remote: Dataset, tmp_path: Path) -> None:
        key = SampleKey(5, 0, 1)
        sample = make_sample(local, CONFIG, key)
        case = Case("one", CONFIG, "", NAME, local.size(1), local.category_count, local.boxes(1), sample.recipe)
        shutil.rmtree(image_folder(local))
        replay_cases([case], tmp_path / "cases.json", remote.images, tmp_path / "out")
        with np.load(tmp_path / "out" / "one.npz") as found:
            assert np.array_equal(found["crop_bgr_u8"], sample.crop)
