"""Interrupted, failing and concurrent runs of `saccade-sampler decode` leave a store that can be completed."""

import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import StoreError
from tests.support.coco_files import image_file, write_jpeg
from tests.support.scenes import IMAGES
from tests.support.stores import (
    Source,
    assert_complete,
    content,
    decode,
    folder_for,
    open_store,
    start_decode,
    stored,
    write_store,
)

STALL_AT = """
decode = dataset.Dataset.decode
def stalling(self, index):
    if index == {index}:
        time.sleep(0.2)  # those before it are decoded meanwhile
        print("half way", flush=True)
        time.sleep(60)
    return decode(self, index)
dataset.Dataset.decode = stalling
"""

HALF_WRITTEN = """
write = os.pwrite
def half(descriptor, data, place):
    if len(data) > 100_000 and place > {place}:
        write(descriptor, data[:50_000], place)
        print("half way", flush=True)
        time.sleep(60)
    return write(descriptor, data, place)
os.pwrite = half
"""

FULL_DISK = """
write = os.pwrite
def full(descriptor, data, place):
    if place > {place}:
        raise OSError(28, "No space left on device")
    return write(descriptor, data, place)
os.pwrite = full
"""


@pytest.fixture
def undisturbed(dataset: Dataset, tmp_path: Path) -> dict[str, bytes]:
    """The files of a store of the dataset that nothing has disturbed."""
    write_store(dataset, tmp_path / "undisturbed")
    return content(folder_for(dataset, tmp_path / "undisturbed"))


def stop_half_way(source: Source, cache_dir: Path, before: str, number: signal.Signals) -> "subprocess.Popen[str]":
    """Start a decoding, wait until it says that it is half way, and send it a signal."""
    process = start_decode(source, cache_dir, "--jobs", 2, before=before)
    assert process.stdout is not None
    assert any("half way" in line for line in process.stdout)
    process.send_signal(number)
    return process


@pytest.mark.parametrize("options", [("--jobs", 1), ("--jobs", 5), ("--force",)])
def test_a_store_does_not_depend_on_how_it_was_made(
    options: tuple[object, ...], source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    if "--force" in options:
        write_store(dataset, tmp_path / "cache")
    assert decode(source, tmp_path / "cache", *options)[0] == 0
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed


@pytest.mark.parametrize("before", [STALL_AT.format(index=0), STALL_AT.format(index=11), STALL_AT.format(index=23),
                                    HALF_WRITTEN.format(place=-1), HALF_WRITTEN.format(place=3_000_000)])  # fmt: skip
def test_a_killed_decode_is_resumed_and_gives_the_same_store(
    before: str, source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    stop_half_way(source, tmp_path / "cache", before, signal.SIGKILL).communicate(timeout=30)
    with pytest.raises(StoreError, match="is incomplete"):
        open_store(dataset, tmp_path / "cache")
    assert decode(source, tmp_path / "cache")[0] == 0
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed


def test_a_repeatedly_killed_decode_makes_progress(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    left = [IMAGES]
    for index in (6, 12, 18):
        before = STALL_AT.format(index=index)
        stop_half_way(source, tmp_path / "cache", before, signal.SIGKILL).communicate(timeout=30)
        process = start_decode(source, tmp_path / "cache", before=STALL_AT.format(index=index))
        assert process.stdout is not None
        left.append(int(process.stdout.readline().split()[3].strip(":")))
        process.kill()
        process.communicate(timeout=30)
    assert left[0] > left[1] > left[2] > left[3] > 0
    decode(source, tmp_path / "cache")
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed


def test_ctrl_c_prints_the_progress_and_can_be_resumed(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    # A thread that is reading an image ends with it, so this one does not take as long as the others.
    before = STALL_AT.format(index=11).replace("time.sleep(60)", "time.sleep(1)")
    process = stop_half_way(source, tmp_path / "cache", before, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    line = errors.splitlines()[-1]
    assert line.startswith("interrupted: ")
    assert line.endswith("of 24 images are decoded; run the same command to resume")
    assert "Traceback" not in errors
    assert 0 < int(line.split()[1]) < IMAGES
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert printed.startswith(f"images to decode: {IMAGES - int(line.split()[1])}: ")
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed


def test_a_changed_image_is_detected_after_a_kill(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    decode(source, tmp_path / "cache")
    for index in (4, 9):
        height, width = dataset.size(index)
        write_jpeg(image_file(dataset, index), width, height, seed=99)
    old = stored(dataset, tmp_path / "cache")
    before = old.read(4).pixels.copy(), old.read(9).pixels.copy()
    stop_half_way(source, tmp_path / "cache", STALL_AT.format(index=9), signal.SIGKILL).communicate(timeout=30)
    again = stored(dataset, tmp_path / "cache")
    assert np.array_equal(again.read(4).pixels, before[0]), "until it is whole, the store is the one before"
    assert decode(source, tmp_path / "cache")[0] == 0
    assert_complete(dataset, tmp_path / "cache")
    assert np.array_equal(old.read(9).pixels, before[1])


def test_a_full_disk_is_one_line_and_decoded_images_are_kept(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    status, _, errors = decode(source, tmp_path / "cache", before=FULL_DISK.format(place=3_000_000))
    assert status == 2
    line = errors.splitlines()[-1]
    assert line.startswith("error: ")
    assert "cannot be written: No space left on device" in line
    assert "images decoded so far are kept" in line
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert int(printed.split()[3].strip(":")) < IMAGES
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed


def test_a_file_size_limit_is_one_line(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    open_dataset(*source, tmp_path / "cache")
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    status, _, errors = decode(source, tmp_path / "cache", before=before)
    assert status == 2
    assert "cannot be written: File too large" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    with pytest.raises(StoreError):
        open_store(dataset, tmp_path / "cache")


def test_a_concurrent_decode_is_refused(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = folder_for(dataset, tmp_path / "cache")
    folder.mkdir(parents=True)
    with FileLock(f"{folder}.lock"):
        status, printed, errors = decode(source, tmp_path / "cache")
    assert (status, printed) == (2, "")
    assert errors == f"error: {folder}: another process is decoding this dataset; wait until it has finished\n"
    assert decode(source, tmp_path / "cache")[0] == 0
    assert content(folder) == undisturbed


def test_concurrent_decodes_leave_one_complete_store(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    processes = [start_decode(source, tmp_path / "cache") for _ in range(4)]
    statuses = []
    for process in processes:
        process.communicate(timeout=60)
        statuses.append(process.returncode)
    assert 0 in statuses
    assert set(statuses) <= {0, 2}
    assert content(folder_for(dataset, tmp_path / "cache")) == undisturbed
