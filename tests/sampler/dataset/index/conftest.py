"""Fixtures: an annotation file, and a record of the files that are read completely."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sampler.dataset.index import storage
from sampler.dataset.index.annotation_file import AnnotationFile
from tests.support.coco_files import small_coco, write_json
from tests.support.file_changes import wait_for_the_clock


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """An annotation file whose times are in the past."""
    file = write_json(tmp_path / "a.json", small_coco())
    wait_for_the_clock()
    return file


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records complete reads: "file" for the annotation file, "index" for the index."""
    seen: list[str] = []

    def watch(owner: object, name: str, word: str) -> None:
        original: Callable[..., object] = getattr(owner, name)

        def watched(*arguments: object) -> object:
            seen.append(word)
            return original(*arguments)

        monkeypatch.setattr(owner, name, watched)

    watch(AnnotationFile, "digest", "file")
    watch(AnnotationFile, "parse", "file")
    watch(storage, "check_index", "index")
    return seen
