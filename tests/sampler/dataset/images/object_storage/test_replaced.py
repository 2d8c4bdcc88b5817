"""Replaced objects: only the one whose state is recorded is used, even if another one was decoded into a store."""

import os
from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.stamps import ImageStamps
from sampler.errors import ImageError
from sampler.stream.keys import SampleKey
from tests.support.coco_files import category_entry, coco, image_entry, write_dataset
from tests.support.object_store import ObjectStore
from tests.support.stores import stored, write_store


def replace(name: str, local: Dataset, store: ObjectStore, folder: Path) -> None:
    """Give an object the content of the last one."""
    content = local.images.read(local.file_name(len(local) - 1), 1 << 20)
    store.put(f"{folder.name}/images/{name}", content)


def test_only_changes_of_the_remote_images_of_a_dataset_are_errors(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "more", coco([image_entry(number) for number in (101, 102)], [], [category_entry(1)]))
    files = [tmp_path / "annotations.json", tmp_path / "more" / "annotations.json"]
    places: list[Path | str] = [remote.images.identity, tmp_path / "more" / "images"]
    dataset = open_dataset(files, places, tmp_path / "cache")
    dataset.stamps = ImageStamps.open(tmp_path / "states.bin")
    names = [dataset.file_name(index) for index in range(len(dataset))]
    near = next(index for index, name in enumerate(names) if name.startswith("1/"))
    far = next(index for index, name in enumerate(names) if name.startswith("0/"))
    pixels = dataset.read(near).pixels
    dataset.read(far)
    os.utime(tmp_path / "more" / "images" / names[near].removeprefix("1/"), (1, 1))
    assert dataset.read(near).pixels.tobytes() == pixels.tobytes()
    replace(names[far].removeprefix("0/"), local, store, tmp_path)
    with pytest.raises(ImageError, match="the object has changed"):
        dataset.read(far)


def test_stored_pixels_of_another_object_than_the_recorded_one_are_not_used(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    """The store is older than the record, and of an object that was replaced in between."""
    write_store(remote, tmp_path)
    before = local.read(0).pixels
    replace(remote.file_name(0), local, store, tmp_path)
    remote.stamps = ImageStamps.open(tmp_path / "states.bin")
    now = remote.read(0).pixels
    decoded = stored(remote, tmp_path)
    store.settle()
    decoded.read_ahead([SampleKey(0, 0, index) for index in range(2)])
    assert decoded.read(0).pixels.tobytes() == now.tobytes() != before.tobytes()
    assert decoded.read(1).pixels.tobytes() == local.read(1).pixels.tobytes()
    assert store.proxy.requests == {"GET": 1}


def test_a_store_without_recorded_states_is_not_mixed_with_other_objects(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    """Such as one that was copied to another host."""
    write_store(remote, tmp_path)
    replace(remote.file_name(0), local, store, tmp_path)
    remote.stamps = ImageStamps.open(tmp_path / "states.bin")
    (error,) = write_store(remote, tmp_path)
    assert (error.kind, error.index) == ("changed", 0)


def test_a_store_is_not_written_from_another_object_than_the_recorded_one(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    remote.stamps = ImageStamps.open(tmp_path / "states.bin")
    remote.read(0)
    replace(remote.file_name(0), local, store, tmp_path)
    (error,) = write_store(remote, tmp_path)
    assert (error.kind, error.index) == ("changed", 0)
    with pytest.raises(ImageError, match="the object has changed"):
        stored(remote, tmp_path).read(0)
