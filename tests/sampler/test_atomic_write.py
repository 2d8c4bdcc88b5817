"""Atomic file writes."""

import stat
from pathlib import Path

import pytest

from sampler.atomic_write import atomic_write, atomic_writer


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_created_and_replaced_and_nothing_else_is_left(durable: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    atomic_write(file, b"one", durable)
    atomic_write(file, b"two", durable)
    assert file.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [file]


def test_readers_see_the_old_file_until_the_new_one_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    atomic_write(file, b"old")
    with atomic_writer(file) as stream:
        stream.write(b"new")
        stream.flush()
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_no_draft(error: BaseException, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    atomic_write(file, b"old")

    def write() -> None:
        with atomic_writer(file) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_as_readable_as_other_new_files_and_may_have_a_long_name(tmp_path: Path) -> None:
    file, other = tmp_path / ("é" * 120), tmp_path / "other"
    atomic_write(file, b"")
    other.write_bytes(b"")
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "gone" / "a.json", b"")
