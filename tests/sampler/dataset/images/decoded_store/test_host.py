"""A store on a host that refuses files: reported as that, and neither repaired nor written anew."""

from pathlib import Path

import pytest

from sampler.dataset.dataset import open_dataset
from sampler.dataset.images.decoded_store.check import check_store
from sampler.dataset.images.decoded_store.contents import StoreContents, find_folder
from sampler.errors import StoreError
from tests.support.coco_files import write_dataset
from tests.support.stores import folder_for, open_store, write_store
from tests.support.system_faults import forbidden, no_descriptors


def no_progress(nbytes: int = 0) -> None:
    """Show nothing."""


def content_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.iterdir()}


def test_a_store_without_descriptors_to_open_it_is_not_damaged(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)
    assert write_store(dataset, tmp_path) == []
    folder, meta = folder_for(dataset, tmp_path), dataset.store_meta
    with no_descriptors():
        for opening in (
            lambda: open_store(dataset, tmp_path),
            lambda: StoreContents.read(folder, meta),
            lambda: list(check_store(folder, meta, dataset.sizes, 1, no_progress)),
            lambda: write_store(dataset, tmp_path),
        ):
            with pytest.raises(StoreError, match=r"Too many open files .*; raise the limit \(ulimit -n"):
                opening()


def test_a_store_of_another_user_is_not_damaged(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)
    write_store(dataset, tmp_path)
    folder, meta = folder_for(dataset, tmp_path), dataset.store_meta
    for hidden in (folder, folder.parent):
        with forbidden(hidden):
            with pytest.raises(StoreError, match=r"cannot be read: Permission denied for user id"):
                find_folder(tmp_path, meta)
            with pytest.raises(StoreError, match=r"Permission denied for user id .*set another cache folder"):
                StoreContents.read(folder, meta)


def test_decode_leaves_a_store_as_it_is_that_it_cannot_read(tmp_path: Path) -> None:
    dataset = open_dataset(*write_dataset(tmp_path), tmp_path)
    write_store(dataset, tmp_path)
    folder = folder_for(dataset, tmp_path)
    before = content_of(folder)
    with forbidden(folder), pytest.raises(StoreError, match="cannot be written: Permission denied"):
        write_store(dataset, tmp_path)
    assert content_of(folder) == before
