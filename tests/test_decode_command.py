"""`python -m sampler decode`: what it writes, and that nothing which stops it does harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from sampler.dataset import Dataset, open_dataset
from sampler.decoded_store import StoreError, store_folder
from tests.coco_files import write_jpeg
from tests.scenes import IMAGES, write_scenes
from tests.stores import content, decode, open_store, start_decode, stored, write_store

Source = tuple[Path, Path]

STALL_AT = """
read = dataset.Dataset.read
def stalling(self, index):
    if index == {index}:
        time.sleep(0.2)  # those before it are decoded meanwhile
        print("half way", flush=True)
        time.sleep(60)
    return read(self, index)
dataset.Dataset.read = stalling
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
def source(tmp_path: Path) -> Source:
    """A dataset of 24 images."""
    return write_scenes(tmp_path)


@pytest.fixture
def dataset(source: Source, tmp_path: Path) -> Dataset:
    return open_dataset(*source, tmp_path)


@pytest.fixture
def undisturbed(dataset: Dataset, tmp_path: Path) -> dict[str, bytes]:
    """The files of a store of the dataset that nothing has disturbed."""
    write_store(dataset, tmp_path / "undisturbed")
    return content(store_folder(tmp_path / "undisturbed", dataset.digest))


def stop_half_way(source: Source, cache_dir: Path, before: str, number: signal.Signals) -> "subprocess.Popen[str]":
    """Start a decoding, wait until it says that it is half way, and send it a signal."""
    process = start_decode(source, cache_dir, "--jobs", 2, before=before)
    assert process.stdout is not None
    assert any("half way" in line for line in process.stdout)
    process.send_signal(number)
    return process


def assert_complete(dataset: Dataset, cache_dir: Path) -> None:
    with_store = stored(dataset, cache_dir)
    assert with_store.store is not None
    assert with_store.store.absent == 0
    for index in range(len(dataset)):
        assert np.array_equal(with_store.read(index), dataset.read(index))


def test_decode_says_what_it_takes_and_writes_a_store(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    status, printed, errors = decode(source, tmp_path / "cache")
    assert status == 0, errors
    first = printed.splitlines()[0]
    assert first.startswith("images to decode: 24: 7.4 MB; ")
    assert "are free in" in first
    assert "24/24" in errors
    assert "MB/s" in errors
    assert dataset.digest in printed
    assert_complete(dataset, tmp_path / "cache")


def test_a_second_decode_finds_everything_there(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    decode(source, tmp_path / "cache")
    folder = store_folder(tmp_path / "cache", dataset.digest)
    before = content(folder), [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]
    status, printed, errors = decode(source, tmp_path / "cache")
    assert (status, errors) == (0, "")
    assert printed.startswith("every image is decoded already")
    assert (content(folder), [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]) == before


@pytest.mark.parametrize("options", [("--jobs", 1), ("--jobs", 5), ("--force",)])
def test_a_store_does_not_depend_on_how_it_was_made(
    options: tuple[object, ...], source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    if "--force" in options:
        write_store(dataset, tmp_path / "cache")
    assert decode(source, tmp_path / "cache", *options)[0] == 0
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


@pytest.mark.parametrize("before", [STALL_AT.format(index=0), STALL_AT.format(index=11), STALL_AT.format(index=23),
                                    HALF_WRITTEN.format(place=-1), HALF_WRITTEN.format(place=3_000_000)])  # fmt: skip
def test_a_decode_that_is_killed_goes_on_and_gives_the_store_of_an_undisturbed_one(
    before: str, source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    stop_half_way(source, tmp_path / "cache", before, signal.SIGKILL).communicate(timeout=30)
    with pytest.raises(StoreError, match="is still being written, or its decoding was broken off"):
        open_store(dataset, tmp_path / "cache")
    assert decode(source, tmp_path / "cache")[0] == 0
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


def test_a_decode_that_is_killed_again_and_again_gets_further_each_time(
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
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


def test_ctrl_c_says_how_far_it_got_and_leaves_a_store_to_go_on_with(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    # A thread that is reading an image ends with it, so this one does not take as long as the others.
    before = STALL_AT.format(index=11).replace("time.sleep(60)", "time.sleep(1)")
    process = stop_half_way(source, tmp_path / "cache", before, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    line = errors.splitlines()[-1]
    assert line.startswith("interrupted: ")
    assert line.endswith("of 24 images are decoded; the same command goes on from there")
    assert "Traceback" not in errors
    assert 0 < int(line.split()[1]) < IMAGES
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert printed.startswith(f"images to decode: {IMAGES - int(line.split()[1])}: ")
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


def test_too_little_room_is_one_line_before_anything_is_written(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    before = "import shutil; real = shutil.disk_usage\nshutil.disk_usage = lambda path: real(path)._replace(free=10**6)"
    status, printed, errors = decode(source, tmp_path / "cache", before=before)
    assert (status, printed) == (2, "")
    assert errors.count("\n") == 1
    assert errors.startswith("error: ")
    assert "7.4 MB are needed and 1.0 MB are free; make room, or set another cache folder" in errors
    assert list(store_folder(tmp_path / "cache", dataset.digest).iterdir()) == []
    assert open_store(dataset, tmp_path / "cache") is None


def test_a_disk_that_fills_up_is_one_line_and_what_was_decoded_is_kept(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    status, _, errors = decode(source, tmp_path / "cache", before=FULL_DISK.format(place=3_000_000))
    assert status == 2
    line = errors.splitlines()[-1]
    assert line.startswith("error: ")
    assert "cannot be written: No space left on device" in line
    assert "what is decoded so far is kept" in line
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert int(printed.split()[3].strip(":")) < IMAGES
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


def test_a_file_system_that_takes_no_file_of_that_size_is_one_line(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    open_dataset(*source, tmp_path / "cache")
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    status, _, errors = decode(source, tmp_path / "cache", before=before)
    assert status == 2
    assert "cannot be written: File too large" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    with pytest.raises(StoreError):
        open_store(dataset, tmp_path / "cache")


def test_a_folder_that_cannot_be_made_is_one_line(source: Source, tmp_path: Path) -> None:
    open_dataset(*source, tmp_path / "cache")
    (tmp_path / "cache/decoded").write_text("a file")
    status, _, errors = decode(source, tmp_path / "cache")
    assert status == 2
    assert errors.count("\n") == 1
    assert "cannot be written: " in errors


def test_images_that_cannot_be_decoded_are_counted_and_listed_and_the_rest_is_stored(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    dataset.path(2).unlink()
    for index in (5, 6):
        dataset.path(index).write_bytes(dataset.path(index).read_bytes()[:-100])
    write_jpeg(dataset.path(7), 60, 48)
    status, printed, errors = decode(source, tmp_path / "cache", "--examples", 1)
    assert status == 1, errors
    rows = [line.split("│") for line in printed.splitlines() if line.count("│") == 3]
    counts = {name.strip(): value.strip() for _, name, value, _ in rows}
    assert (counts["decoded just now"], counts["cannot be decoded"]) == ("20", "4")
    assert (counts["missing"], counts["unreadable"], counts["mis-sized"]) == ("1", "2", "1")
    assert f"missing {dataset.path(2)}: the file does not exist" in printed
    assert "unreadable … and 1 more" in printed
    store = open_store(dataset, tmp_path / "cache")
    assert store is not None
    assert store.absent == 4
    assert [i for i in range(IMAGES) if store.pixels(i, *dataset.size(i)) is None] == [2, 5, 6, 7]


def test_only_what_has_changed_is_decoded_again(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    dataset.path(3).rename(dataset.path(3).with_suffix(".away"))
    assert decode(source, tmp_path / "cache")[0] == 1
    dataset.path(3).with_suffix(".away").rename(dataset.path(3))
    height, width = dataset.size(4)
    write_jpeg(dataset.path(4), width, height, seed=99)
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert printed.startswith("images to decode: 2 (1 whose files have changed): ")
    assert_complete(dataset, tmp_path / "cache")


def test_a_changed_image_is_found_after_a_kill_too(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    decode(source, tmp_path / "cache")
    for index in (4, 9):
        height, width = dataset.size(index)
        write_jpeg(dataset.path(index), width, height, seed=99)
    old = stored(dataset, tmp_path / "cache")
    before = old.read(4).copy(), old.read(9).copy()
    stop_half_way(source, tmp_path / "cache", STALL_AT.format(index=9), signal.SIGKILL).communicate(timeout=30)
    again = stored(dataset, tmp_path / "cache")
    assert np.array_equal(again.read(4), before[0]), "until it is whole, the store is the one before"
    assert decode(source, tmp_path / "cache")[0] == 0
    assert_complete(dataset, tmp_path / "cache")
    assert np.array_equal(old.read(9), before[1])


def test_an_image_whose_file_became_bad_is_not_served_from_the_store(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    decode(source, tmp_path / "cache")
    dataset.path(8).write_bytes(dataset.path(8).read_bytes()[:-100])
    assert decode(source, tmp_path / "cache")[0] == 1
    store = open_store(dataset, tmp_path / "cache")
    assert store is not None
    assert store.pixels(8, *dataset.size(8)) is None


def test_a_second_decode_at_once_says_that_there_is_one(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    folder = store_folder(tmp_path / "cache", dataset.digest)
    folder.mkdir(parents=True)
    with FileLock(f"{folder}.lock"):
        status, printed, errors = decode(source, tmp_path / "cache")
    assert (status, printed) == (2, "")
    assert errors == f"error: {folder}: another process is decoding this dataset; wait until it has ended\n"
    assert decode(source, tmp_path / "cache")[0] == 0
    assert content(folder) == undisturbed


def test_four_decodes_at_once_leave_one_whole_store(
    source: Source, dataset: Dataset, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    processes = [start_decode(source, tmp_path / "cache") for _ in range(4)]
    statuses = []
    for process in processes:
        process.communicate(timeout=60)
        statuses.append(process.returncode)
    assert 0 in statuses
    assert set(statuses) <= {0, 2}
    assert content(store_folder(tmp_path / "cache", dataset.digest)) == undisturbed


def test_the_real_coco_images_come_out_of_a_store_as_they_went_in(shared: Path, tmp_path: Path) -> None:
    source = shared / "coco-tiny/annotations/instances_train2017.json", shared / "coco-tiny/images/train2017"
    assert decode(source, tmp_path)[0] == 0
    assert_complete(open_dataset(*source, tmp_path), tmp_path)


def test_memory_does_not_grow_with_the_dataset(source: Source, tmp_path: Path) -> None:
    """All 24 images are 7 MB; two at a time are decoded here, of at most 0.6 MB each."""
    before = (
        "import tracemalloc; run = store_writer.StoreWriter.run\n"
        "def traced(*arguments):\n"
        "    tracemalloc.start(); done = run(*arguments)\n"
        "    print('peak', tracemalloc.get_traced_memory()[1]); return done\n"
        "store_writer.StoreWriter.run = traced"
    )
    _, printed, _ = decode(source, tmp_path / "cache", "--jobs", 2, before=before)
    [line] = [line for line in printed.splitlines() if line.startswith("peak")]
    assert int(line.split()[1]) < 3_500_000


def test_the_command_needs_no_terminal_and_draws_a_bar_on_one(source: Source, tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    settings = dict(zip(("ANNOTATIONS", "IMAGES", "CACHE_DIR"), (*source, tmp_path / "cache"), strict=True))
    environment = os.environ | {f"SAMPLER_{name}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "sampler", "decode"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=environment | {"TERM": "xterm"},
                          timeout=60, check=False)  # fmt: skip
    os.close(terminal)
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert done.returncode == 0
    assert "decoding" in shown
    assert "24/24" in shown
    assert "MB/s" in shown
