"""The substitutes of a dataset, from a list of ids, and the digest of its pixels."""

import json
from pathlib import Path

import numpy as np
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.hashes import ImageHashes
from sampler.dataset.substitutes import find_substitutes, pixels_digest
from sampler.errors import ImageListError
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.substitutes import Substitutes
from tests.support.coco_files import write_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three images, with the ids 10, 20 and 30 in the order of the index."""
    return open_dataset(*write_dataset(tmp_path / "data"), tmp_path / "cache")


def listed(folder: Path, ids: object) -> Path:
    file = folder / "unusable.json"
    file.write_text(json.dumps(ids))
    return file


def test_listed_images_are_replaced_and_the_dataset_stays_as_large(dataset: Dataset, tmp_path: Path) -> None:
    dataset.substitutes = find_substitutes(listed(tmp_path, [30, 10]), dataset)
    assert dataset.substitutes == Substitutes((0, 2), 3)
    assert [dataset.image_of(SampleKey(7, 0, index)) for index in range(3)] == [1, 1, 1]
    assert len(dataset) == 3
    assert dataset.with_decoded().substitutes == dataset.substitutes


@pytest.mark.parametrize("file", [None, "empty"])
def test_without_a_list_or_with_an_empty_one_nothing_is_replaced(
    dataset: Dataset, tmp_path: Path, file: str | None
) -> None:
    assert find_substitutes(file and listed(tmp_path, []), dataset) is None  # type: ignore[arg-type] # a path or None
    assert dataset.image_of(SampleKey(7, 0, 2)) == 2


def test_a_dataset_opened_with_a_list_makes_the_samples_of_substitutes(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path / "data")
    (images / f"{30:012d}.jpg").unlink()
    dataset = open_dataset(annotations, images, tmp_path / "cache", substitute=listed(tmp_path, [30]))
    sample = make_sample(dataset, preset("cornernet_saccade"), SampleKey(7, 0, 2))
    assert sample.recipe.substitute in (0, 1)


def test_unknown_ids_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ImageListError, match=r"unusable\.json: 1 of 2 ids are not image ids of this dataset: 40"):
        find_substitutes(listed(tmp_path, [10, 40]), dataset)


def test_a_list_of_all_images_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ImageListError, match=r"unusable\.json: all 3 images are listed; at least one must be usable"):
        find_substitutes(listed(tmp_path, ["30", 10, 20]), dataset)


def hashes(*values: int) -> ImageHashes:
    return ImageHashes(np.array([(value, value) for value in values], np.uint64))


def test_with_substitutes_there_is_always_a_digest_of_pixels(dataset: Dataset) -> None:
    before = dataset.pixels
    dataset.substitutes = Substitutes((1,), 3)
    alone = dataset.pixels
    dataset.hashes = hashes(1, 2, 3)
    assert before is None
    assert alone is not None
    assert dataset.pixels not in (None, alone, hashes(1, 2, 3).digest)


def test_the_digest_of_pixels_covers_the_list_and_the_hashes() -> None:
    one, other = Substitutes((0, 1), 4), Substitutes((0,), 4)
    digests = [
        pixels_digest(recorded, substitutes)
        for recorded in (None, hashes(1, 2, 3, 4), hashes(1, 2, 3, 5))
        for substitutes in (None, one, other)
    ]
    assert digests[0] is None
    assert len(set(digests)) == 9


def test_the_files_of_unusable_images_do_not_matter() -> None:
    substitutes = Substitutes((1,), 3)
    assert pixels_digest(hashes(1, 2, 3), substitutes) == pixels_digest(hashes(1, 0, 3), substitutes)
