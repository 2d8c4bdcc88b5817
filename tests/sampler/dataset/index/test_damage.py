"""Damaged indexes on disk: detected by fingerprints, or by `verify`."""

from pathlib import Path

import pytest

from sampler.dataset.index import storage as index_files
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.index.storage import check_index, is_sound, mark_checked
from sampler.errors import AnnotationError
from tests.support.coco_files import write_dataset
from tests.support.file_changes import flip_a_byte
from tests.support.processes import run_python


@pytest.mark.parametrize("array", ["boxes", "bbox", "area", "annotation_ids"])
def test_damage_is_detected_even_if_length_and_time_are_unchanged(
    array: str, annotations: Path, tmp_path: Path
) -> None:
    folder = ensure_index(annotations, tmp_path)
    flip_a_byte(folder / f"{array}.npy")
    assert not is_sound(folder)
    assert ensure_index(annotations, tmp_path) == folder
    check_index(folder)


def test_verify_finds_damage_that_fingerprints_do_not_show(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    folder = ensure_index(annotations, tmp_path)
    flip_a_byte(folder / "boxes.npy")
    mark_checked(folder)
    assert is_sound(folder), "as far as can be seen without reading it"
    settings = {"annotations": annotations, "images": images, "cache_dir": tmp_path}
    done = run_python("-m", "sampler", "verify", settings=settings, check=False)
    assert done.returncode == 2
    assert "index is damaged: its arrays have the digest" in done.stderr


@pytest.mark.parametrize("text", [None, "", "[]", '{"meta.json": [1, 2, 3, 4]}'])
def test_an_unchecked_index_is_read_once(text: str | None, annotations: Path, tmp_path: Path, read: list[str]) -> None:
    """So is one that was copied from elsewhere, whose files have other stamps."""
    folder = ensure_index(annotations, tmp_path)
    (folder / "checked.json").unlink()
    if text is not None:
        (folder / "checked.json").write_text(text)
    read.clear()
    assert is_sound(folder)
    assert is_sound(folder)
    assert read == ["index"]


def test_an_index_in_a_cache_that_cannot_be_written_is_still_used(
    annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ensure_index(annotations, tmp_path)
    (folder / "checked.json").unlink()

    def refuse(file: Path, data: bytes) -> None:
        raise PermissionError(13, "read-only", str(file))

    monkeypatch.setattr(index_files, "atomic_write", refuse)
    assert ensure_index(annotations, tmp_path) == folder
    assert not (folder / "checked.json").exists()


def test_dropped_boxes_are_read_when_they_are_asked_for(annotations: Path, tmp_path: Path) -> None:
    folder = ensure_index(annotations, tmp_path)
    left_out = folder / "left_out.json"
    left_out.write_text("{" + "]" * (left_out.stat().st_size - 1))
    mark_checked(folder)
    dataset = DatasetIndex(ensure_index(annotations, tmp_path))
    assert len(dataset) == 3
    with pytest.raises(AnnotationError, match="index is damaged"):
        _ = dataset.rejected
    with pytest.raises(AnnotationError, match="index is damaged"):
        check_index(folder)
