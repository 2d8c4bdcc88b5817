"""Reading files of a local folder."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sampler.errors import ImageError, ImageSourceError
from tests.support.coco_files import opencv_pixels, read_file, write_jpeg
from tests.support.system_faults import no_descriptors


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    expected = opencv_pixels(file)
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, start: read(descriptor, min(length, 100), start))
    assert np.array_equal(read_file(file, 64, 48), expected)


def test_a_file_that_shrinks_while_it_is_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    read = os.pread

    def shrinking(descriptor: int, length: int, start: int) -> bytes:
        os.truncate(file, 500)
        return read(descriptor, length, start)

    monkeypatch.setattr(os, "pread", shrinking)
    with pytest.raises(ImageError, match="truncated"):
        read_file(file, 64, 48)


def test_a_disk_that_fails_is_an_image_error_and_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    closed: list[int] = []
    close: Callable[[int], None] = os.close

    def failing(descriptor: int, length: int, start: int) -> bytes:
        raise OSError(5, "Input/output error")

    def noted(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "pread", failing)
    monkeypatch.setattr(os, "close", noted)
    with pytest.raises(ImageError, match="cannot be read: Input/output error") as caught:
        read_file(file, 64, 48)
    assert caught.value.kind == "unreadable"
    assert len(closed) == 1


def test_an_image_without_a_descriptor_to_open_it_is_not_unreadable(tmp_path: Path) -> None:
    file = write_jpeg(tmp_path / "a.jpg", 64, 48)
    read_file(file, 64, 48)
    with no_descriptors(), pytest.raises(ImageSourceError, match=r"a\.jpg: cannot be opened: Too many open files"):
        read_file(file, 64, 48)
