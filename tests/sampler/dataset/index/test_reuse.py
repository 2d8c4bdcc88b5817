"""Unchanged annotation files are not read again; changed ones are."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from sampler.dataset.coco.annotations import Annotations, read_annotations
from sampler.dataset.fingerprint import TICK, Fingerprint
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.storage import load_index
from sampler.errors import AnnotationError
from tests.support.file_changes import (
    longer,
    replaced,
    same_bytes,
    same_size_and_time,
    touched,
    wait_for_the_clock,
)
from tests.support.processes import output_of, start_python


def test_a_second_start_reads_no_file(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    folder = ensure_index(annotations, tmp_path)
    assert folder.name.startswith(hashlib.blake2b(annotations.read_bytes(), digest_size=16).hexdigest())
    assert read == ["file"], "the file is read once, for its digest and its content"
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file"]


@pytest.mark.parametrize(
    ("change", "is_other"),
    [(same_bytes, False), (touched, False), (same_size_and_time, True), (replaced, True), (longer, True)],
)
def test_a_file_is_read_again_if_its_fingerprint_changed(
    change: Callable[[Path], None], is_other: bool, annotations: Path, tmp_path: Path, read: list[str]
) -> None:
    first = ensure_index(annotations, tmp_path)
    change(annotations)
    wait_for_the_clock()
    read.clear()
    second = ensure_index(annotations, tmp_path)
    assert "file" in read
    assert (second != first) == is_other
    assert ("horse" in " ".join(load_index(second).category_names)) == is_other
    read.clear()
    assert ensure_index(annotations, tmp_path) == second
    assert read == []


def test_a_file_written_a_moment_ago_is_not_remembered(
    annotations: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fingerprint, "is_settled", lambda *_: False)
    ensure_index(annotations, tmp_path)
    ensure_index(annotations, tmp_path)
    assert read == ["file", "file", "index"], "nor are the files of its index, which are as new"


def test_a_fingerprint_is_settled_once_the_clock_has_ticked() -> None:
    fine, coarse = Fingerprint(1, 0, 5_000_000_123, 7), Fingerprint(1, 0, 5_000_000_000, 7)
    assert not fine.is_settled(5_000_000_123 + TICK - 1)
    assert fine.is_settled(5_000_000_123 + TICK)
    assert not coarse.is_settled(6_900_000_000), "some file systems store only even seconds"
    assert coarse.is_settled(7_000_000_000)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"path": "elsewhere", "stamp": [1, 2, 3, 4], "digest": "0"}'])
def test_an_invalid_note_is_ignored(text: str, annotations: Path, tmp_path: Path, read: list[str]) -> None:
    folder = ensure_index(annotations, tmp_path)
    [note] = (tmp_path / "indexes/.sources").iterdir()
    whole = note.read_text()
    note.write_text(text)
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file", "file"]
    assert note.read_text() == whole


def test_a_note_that_cannot_be_written_is_not_an_error(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "indexes").mkdir()
    (tmp_path / "indexes/.sources").write_text("in the way")
    folder = ensure_index(annotations, tmp_path)
    assert ensure_index(annotations, tmp_path) == folder
    assert read == ["file", "file"]


def test_a_full_disk_leaves_no_partial_note(annotations: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    folder = ensure_index(annotations, tmp_path)
    [note] = (tmp_path / "indexes/.sources").iterdir()
    note.unlink()
    code = (
        "import resource, sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "print(ensure_index(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    assert output_of(code, annotations, tmp_path) == str(folder)
    assert list((tmp_path / "indexes/.sources").iterdir()) == []


def test_concurrent_builders_leave_one_index_and_one_note(annotations: Path, tmp_path: Path, read: list[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from sampler.dataset.index.cache import ensure_index\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(ensure_index(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    builders = [start_python("-c", code, annotations, tmp_path, stdin=subprocess.PIPE) for _ in range(2)]
    for builder in builders:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "ready\n"
    for builder in builders:
        assert builder.stdin is not None
        builder.stdin.write("go\n")
        builder.stdin.flush()
    folders = {builder.communicate(timeout=60)[0].strip() for builder in builders}
    assert len(folders) == 1
    assert [file.suffix for file in (tmp_path / "indexes/.sources").iterdir()] == [".json"]
    assert str(ensure_index(annotations, tmp_path)) in folders
    assert read == []


def test_a_change_while_reading_is_detected_even_if_size_and_time_are_unchanged(
    annotations: Path, tmp_path: Path
) -> None:
    def change(step: str) -> None:
        if step == "parsing the annotation file":
            same_size_and_time(annotations)

    with pytest.raises(AnnotationError, match="changed while it was read"):
        ensure_index(annotations, tmp_path, change)
    assert [entry.name for entry in (tmp_path / "indexes").iterdir()] == [".lock"]


def test_a_file_written_a_moment_ago_is_parsed_once_any_change_would_show(
    annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []

    def parse(stream: BinaryIO, file: Path) -> Annotations:
        settled.append(Fingerprint.of(os.fstat(stream.fileno())).is_settled(time.time_ns()))
        return read_annotations(stream, file)

    monkeypatch.setattr("sampler.dataset.index.annotation_file.read_annotations", parse)
    for attempt in range(3):
        annotations.write_bytes(annotations.read_bytes())
        ensure_index(annotations, tmp_path / f"cache-{attempt}")
    assert settled == [True] * 3


def test_a_fingerprint_has_the_values_of_stat(annotations: Path) -> None:
    found = annotations.stat()
    assert Fingerprint.of(found) == Fingerprint(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def test_a_file_whose_changes_may_not_show_is_read_once_for_columns_and_digest(
    annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ensure_index(annotations, tmp_path / "settled").name
    monkeypatch.setattr(Fingerprint, "is_settled", lambda *_: False)
    monkeypatch.setattr("sampler.dataset.index.annotation_file.read_annotations", None)
    assert ensure_index(annotations, tmp_path / "never settled").name == expected
