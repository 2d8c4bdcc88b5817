"""Errors of the operating system name their cause and the remedy that helps."""

import errno
import os
from pathlib import Path

import pytest

from sampler.system_errors import explain, is_of_the_file, is_of_the_process, limit_reached
from tests.support.system_faults import forbidden, no_descriptors


def refused(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([str(path)] if path else []))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EMFILE, ["Too many open files", "ulimit -n"]),
        (errno.ENFILE, ["in the whole system"]),
        (errno.ENOMEM, ["Cannot allocate memory", "free memory"]),
        (errno.EAGAIN, ["limit of processes"]),
    ],
)
def test_limits_are_named_and_no_other_folder_is_proposed(number: int, words: list[str], tmp_path: Path) -> None:
    text = explain(refused(number), tmp_path)
    assert all(word in text for word in words), text
    assert "SAMPLER_CACHE_DIR" not in text


def test_a_full_disk_needs_space_or_another_folder(tmp_path: Path) -> None:
    text = explain(refused(errno.ENOSPC), tmp_path)
    assert text == "No space left on device; make space or set another cache folder (SAMPLER_CACHE_DIR)"


def test_missing_permission_names_user_and_owner(tmp_path: Path) -> None:
    text = explain(refused(errno.EACCES, tmp_path / "absent" / "file"), "elsewhere")
    assert f"for user id {os.geteuid()} ({tmp_path} belongs to user id {tmp_path.stat().st_uid}, mode 7" in text


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "home"
    file.touch()
    with pytest.raises(NotADirectoryError) as caught:
        (file / "cache" / "indexes").mkdir(parents=True)
    assert explain(caught.value, file / "cache" / "indexes").startswith(f"{file} is not a folder; ")


def test_any_other_error_has_its_reason_and_the_remedy(tmp_path: Path) -> None:
    assert explain(refused(errno.EIO), tmp_path, "replace the disk") == "Input/output error; replace the disk"
    assert explain(TimeoutError("locked"), tmp_path, "wait") == "locked; wait"


def test_only_some_errors_are_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as absent:
        (tmp_path / "nowhere").read_bytes()
    assert is_of_the_file(absent.value)
    assert is_of_the_file(ValueError("not JSON"))
    with no_descriptors(), pytest.raises(OSError, match="Too many open files") as full:
        Path(__file__).read_bytes()
    assert is_of_the_process(full.value)
    assert not is_of_the_file(full.value)
    with forbidden(tmp_path), pytest.raises(PermissionError) as hidden:
        (tmp_path / "file").read_bytes()
    assert not is_of_the_file(hidden.value)
    assert not is_of_the_process(hidden.value)


def test_only_limits_of_the_process_are_limits(tmp_path: Path) -> None:
    assert "ulimit -u" in limit_reached(RuntimeError("can't start new thread"))
    assert "ulimit -n" in limit_reached(refused(errno.EMFILE))
    assert limit_reached(RuntimeError("another")) == limit_reached(refused(errno.EACCES, tmp_path)) == ""
