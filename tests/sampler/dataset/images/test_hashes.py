"""Recorded hashes: a dataset whose hashes are recorded gives the pixels of the recorded files, or an error."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.hashes import ImageHashes, find_hashes, hash_images, hashes_file, write_hashes
from sampler.dataset.images.local_folder import LocalFolder
from sampler.dataset.verification.verify import verify_dataset
from sampler.errors import HashError, ImageError
from tests.support.coco_files import image_file, image_folder, write_dataset, write_jpeg
from tests.support.hashes import record
from tests.support.memory_source import MemorySource
from tests.support.scenes import write_scenes


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """Three images without recorded hashes; their cache folder is `tmp_path`."""
    return open_dataset(*write_dataset(tmp_path), tmp_path)


def reopened(dataset: Dataset, cache_dir: Path) -> Dataset:
    return open_dataset(cache_dir / "annotations.json", image_folder(dataset), cache_dir)


def test_a_dataset_has_a_pixels_digest_once_hashes_are_recorded(small: Dataset, tmp_path: Path) -> None:
    assert small.pixels is None
    hashes = record(small, tmp_path)
    again = reopened(small, tmp_path)
    assert again.pixels == hashes.digest
    assert len(hashes.digest) == 32
    assert again.digest == small.digest, "the digest of the annotations stays"
    assert all(np.array_equal(again.read(index).pixels, small.read(index).pixels) for index in range(3))


def test_equal_files_have_equal_digests_in_any_folder_and_other_files_have_another(
    small: Dataset, tmp_path: Path
) -> None:
    hashes = record(small, tmp_path)
    shutil.copytree(image_folder(small), tmp_path / "copy")
    for source in (LocalFolder(tmp_path / "copy"), MemorySource.copy_of(image_folder(small))):
        other = Dataset(small.index_dir, source)
        assert record(other, tmp_path).digest == hashes.digest
        assert hashes_file(tmp_path, small.digest, source) != hashes_file(tmp_path, small.digest, small.images)
    write_jpeg(tmp_path / "copy" / small.file_name(1), 64, 48, seed=99)
    assert record(Dataset(small.index_dir, LocalFolder(tmp_path / "copy")), tmp_path).digest != hashes.digest


def test_a_file_with_other_pixels_is_an_error_that_names_it(small: Dataset, tmp_path: Path) -> None:
    record(small, tmp_path)
    height, width = small.size(1)
    write_jpeg(image_file(small, 1), width, height, seed=99)
    dataset = reopened(small, tmp_path)
    with pytest.raises(ImageError, match="is not the one whose hash was recorded") as caught:
        dataset.read(1)
    assert (caught.value.kind, caught.value.index) == ("changed", 1)
    assert caught.value.file == str(image_file(small, 1))
    assert "run `saccade-sampler index --hash-images` again" in caught.value.cause
    assert verify_dataset(dataset).counts["changed"] == 1
    dataset.read(0)


def test_any_single_flipped_bit_of_a_file_is_noticed(small: Dataset, tmp_path: Path) -> None:
    record(small, tmp_path)
    dataset = reopened(small, tmp_path)
    whole = image_file(small, 0).read_bytes()
    for bit in np.random.Generator(np.random.Philox(key=3)).integers(0, 8 * len(whole), 200).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        image_file(small, 0).write_bytes(damaged)
        with pytest.raises(ImageError) as caught:
            dataset.read(0)
        assert caught.value.kind == "changed"


def test_500_images_that_get_a_hole_after_their_hashes_were_recorded_are_all_refused(tmp_path: Path) -> None:
    """Every image gets several holes in turn: 8 kB of zeros, or a missing block, anywhere in its scan."""
    annotations, images = write_scenes(tmp_path)
    dataset = open_dataset(annotations, images, tmp_path)
    record(dataset, tmp_path)
    dataset = open_dataset(annotations, images, tmp_path)
    random = np.random.Generator(np.random.Philox(key=4))
    for number in range(500):
        index = number % len(dataset)
        whole = image_file(dataset, index).read_bytes()
        start = int(random.integers(700, len(whole) - 200))
        length = min(int(random.integers(16, 8192)), len(whole) - 2 - start)
        filler = b"" if number % 2 else bytes(length)
        if not any(whole[start : start + length]) and filler:
            continue
        image_file(dataset, index).write_bytes(whole[:start] + filler + whole[start + length :])
        with pytest.raises(ImageError) as caught:
            dataset.read(index)
        assert caught.value.kind == "changed"
        image_file(dataset, index).write_bytes(whole)
        dataset.read(index)


def test_an_image_that_was_missing_is_recorded_as_such(small: Dataset, tmp_path: Path) -> None:
    file = image_file(small, 2)
    away = file.rename(file.with_suffix(".away"))
    hashes, errors = hash_images(small, small.images, threads=2)
    assert [(error.kind, error.index) for error in errors] == [("missing", 2)]
    assert hashes.unreadable == 1
    write_hashes(hashes_file(tmp_path, small.digest, small.images), hashes)
    dataset = reopened(small, tmp_path)
    with pytest.raises(ImageError) as caught:
        dataset.read(2)
    assert caught.value.kind == "missing"
    away.rename(file)
    with pytest.raises(ImageError, match="could not be read when the hashes were recorded") as caught:
        dataset.read(2)
    assert caught.value.kind == "changed"


def test_hashes_do_not_depend_on_the_number_of_threads(small: Dataset) -> None:
    lengths: list[int] = []
    one, _ = hash_images(small, small.images, 1, lengths.append)
    many, _ = hash_images(small, small.images, 7)
    assert np.array_equal(one.rows, many.rows)
    assert lengths == [image_file(small, index).stat().st_size for index in range(3)]


def test_the_changed_images_are_those_with_another_hash() -> None:
    older = ImageHashes(np.arange(10, dtype=np.uint64).reshape(5, 2))
    rows = older.rows.copy()
    rows[3, 1], rows[1, 0] = 99, 99
    assert ImageHashes(rows).changed_from(older).tolist() == [1, 3]


@pytest.mark.parametrize("damage", ["short", "flipped", "empty", "other"])
def test_damaged_hashes_are_refused_with_the_file_and_a_remedy(damage: str, small: Dataset, tmp_path: Path) -> None:
    record(small, tmp_path)
    file = hashes_file(tmp_path, small.digest, small.images)
    data = bytearray(file.read_bytes())
    if damage == "short":
        os.truncate(file, len(data) - 5)
    elif damage == "flipped":
        data[-40] ^= 1
        file.write_bytes(data)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        np.save(file, np.zeros((2, 2), np.uint64))
    with pytest.raises(HashError, match="index --hash-images` again") as caught:
        reopened(small, tmp_path)
    assert str(file) in str(caught.value)


def test_hashes_that_were_never_recorded_are_none(small: Dataset, tmp_path: Path) -> None:
    assert find_hashes(hashes_file(tmp_path, small.digest, small.images), len(small)) is None


def test_a_folder_that_cannot_be_written_is_one_error(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "hashes").write_text("a file")
    with pytest.raises(HashError, match="SAMPLER_CACHE_DIR"):
        record(small, tmp_path)
