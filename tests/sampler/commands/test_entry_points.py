"""`saccade-sampler decode --entry-points`: its output, the records it writes, and images without any."""

import shutil
import signal
from pathlib import Path

import cv2
import pytest
from PIL import Image

from sampler.dataset.dataset import open_dataset
from sampler.dataset.images.entry_points.records import STRIDE
from tests.support.coco_files import (
    category_entry,
    coco,
    image_entry,
    image_file,
    photo,
    write_dataset,
    write_jpeg,
)
from tests.support.entry_points import assert_parts_are_exact, file_of, record_for, with_entry_points
from tests.support.processes import run_python, start_python
from tests.support.scenes import IMAGES

Source = tuple[Path, Path]


@pytest.fixture
def source(scenes: Source, tmp_path: Path) -> Source:
    annotations, images = scenes
    return annotations, shutil.copytree(images, tmp_path / "images")


def settings(source: Source, cache_dir: Path) -> dict[str, object]:
    return {"annotations": source[0], "images": source[1], "cache_dir": cache_dir}


def record(source: Source, cache_dir: Path, *options: object) -> tuple[int, str, str]:
    """Run the command; return exit status, stdout and stderr."""
    command = "-m", "sampler", "decode", "--entry-points", *options
    done = run_python(*command, settings=settings(source, cache_dir), check=False)
    return done.returncode, done.stdout, done.stderr


def rows(printed: str) -> dict[str, str]:
    """The lines of the printed table."""
    lines = [line.split("│") for line in printed.splitlines() if line.count("│") == 3]
    return {name.strip(): value.strip() for _, name, value, _ in lines}


def test_all_images_are_recorded_with_a_progress_bar_and_a_summary(source: Source, tmp_path: Path) -> None:
    dataset = open_dataset(*source, tmp_path)
    status, printed, errors = record(source, tmp_path)
    assert status == 0, errors
    assert f"{IMAGES}/{IMAGES}" in errors
    table = rows(printed)
    assert (table["images"], table["recorded now"], table["with entry points"]) == (str(IMAGES),) * 3
    assert (table["without entry points"], table["not decodable"]) == ("0", "0")
    assert table["dataset"] == dataset.digest
    assert table["size on disk"].endswith("kB")
    assert file_of(dataset, tmp_path).is_file()
    served = with_entry_points(dataset, tmp_path)
    for index in range(IMAGES):
        assert_parts_are_exact(served, dataset, index, regions=3)
    assert served.counts.recorded == 0
    assert not (tmp_path / "decoded").exists(), "nothing is decoded into a store"


def test_valid_records_are_kept_and_only_what_is_missing_is_recorded(source: Source, tmp_path: Path) -> None:
    record(source, tmp_path)
    dataset = open_dataset(*source, tmp_path)
    file = file_of(dataset, tmp_path)
    whole = file.read_bytes()
    assert rows(record(source, tmp_path)[1])["recorded now"] == "0"
    data = bytearray(whole)
    data[3 * STRIDE + 80] ^= 4
    file.write_bytes(data)
    height, width = dataset.size(6)
    write_jpeg(image_file(dataset, 6), width, height, seed=99)
    table = rows(record(source, tmp_path, "--jobs", 1)[1])
    assert (table["recorded now"], table["with entry points"]) == ("2", str(IMAGES))
    assert record_for(dataset, tmp_path, 3) is not None
    assert record_for(dataset, tmp_path, 6) is not None
    table = rows(record(source, tmp_path, "--force")[1])
    assert table["recorded now"] == str(IMAGES)


def test_images_without_entry_points_are_counted_by_reason(source: Source, tmp_path: Path) -> None:
    dataset = open_dataset(*source, tmp_path)
    height, width = dataset.size(0)
    pixels = Image.fromarray(photo(width, height)[..., ::-1])
    for index in (0, 4):
        pixels.save(image_file(dataset, index), "JPEG", progressive=True)
    pixels.convert("CMYK").save(image_file(dataset, 8), "JPEG")
    image_file(dataset, 12).write_bytes(cv2.imencode(".png", photo(width, height))[1].tobytes())
    write_jpeg(image_file(dataset, 16), width, height, orientation=6)
    junk = image_file(dataset, 20).read_bytes()
    at = junk.index(b"\xff\xdb")
    image_file(dataset, 20).write_bytes(junk[:at] + b"\x12\x34" + junk[at:])
    for new in ("21", "18"):  # the second time, three are known to have none
        status, printed, errors = record(source, tmp_path)
        assert status == 0, errors
        table = rows(printed)
        assert (table["with entry points"], table["without entry points"]) == ("18", "6")
        assert table["progressive coding"] == "2"
        assert table["4 colour components"] == "1"
        assert table["not a JPEG"] == "1"
        assert table["an orientation that is not applied"] == "1"
        assert table["a warning of the decoder"] == "1"
        assert table["recorded now"] == (new if new == "21" else "0")


def test_images_that_cannot_be_decoded_or_are_damaged_are_listed(source: Source, tmp_path: Path) -> None:
    dataset = open_dataset(*source, tmp_path)
    image_file(dataset, 2).unlink()
    image_file(dataset, 5).write_bytes(image_file(dataset, 5).read_bytes()[:-100])
    half = image_file(dataset, 7).read_bytes()
    image_file(dataset, 7).write_bytes(half[: len(half) // 2] + b"\xff\xd9")
    status, printed, _ = record(source, tmp_path)
    assert status == 1
    table = rows(printed)
    assert (table["recorded now"], table["not decodable"]) == (str(IMAGES - 3), "3")
    assert (table["missing"], table["unreadable"], table["damaged"]) == ("1", "1", "1")
    assert f"missing {image_file(dataset, 2)}: the file does not exist" in printed
    assert f"damaged {image_file(dataset, 7)}: " in printed
    assert "damaged images are decoded whole by servers, which serve or refuse them (SAMPLER_DAMAGED)" in printed
    assert record_for(dataset, tmp_path, 7) is None
    for index in (1, 3, 23):
        assert record_for(dataset, tmp_path, index) is not None


STALL = """
import os, sys, time
from tests.support.commands import app
write, written = os.pwrite, []
def stalling(descriptor, data, place):
    written.append(place)
    if len(written) == 10:
        print("half way", flush=True)
        time.sleep(3)
    return write(descriptor, data, place)
os.pwrite = stalling
app(["decode", "--entry-points", "--jobs", "1"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_is_resumed(source: Source, tmp_path: Path, number: signal.Signals) -> None:
    open_dataset(*source, tmp_path)
    process = start_python("-c", STALL, settings=settings(source, tmp_path), coverage=False)
    assert process.stdout is not None
    assert process.stdout.readline() == "half way\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "images were recorded; run the same command to resume" in errors
    table = rows(record(source, tmp_path)[1])
    assert 0 < int(table["recorded now"]) <= IMAGES - 9
    assert table["with entry points"] == str(IMAGES)


INTERRUPTED_COMPILER = """
import sampler.commands.entry_points as command
from tests.support.commands import app

def compile(folder, on_compile):
    on_compile()
    raise KeyboardInterrupt

command.warm_up = compile
app(["decode", "--entry-points"])
"""


def test_ctrl_c_while_kernels_are_compiled_ends_the_command(source: Source, tmp_path: Path) -> None:
    done = run_python("-c", INTERRUPTED_COMPILER, settings=settings(source, tmp_path), check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted: 0 images were recorded; run the same command to resume\n"


FULL_DISK = """
import os
from tests.support.commands import app
write = os.pwrite
def full(descriptor, data, place):
    if place > 9 * 8192:
        raise OSError(28, "No space left on device")
    return write(descriptor, data, place)
os.pwrite = full
app(["decode", "--entry-points"])
"""


def test_a_full_disk_is_one_line_and_what_was_recorded_is_kept(source: Source, tmp_path: Path) -> None:
    dataset = open_dataset(*source, tmp_path)
    done = run_python("-c", FULL_DISK, settings=settings(source, tmp_path), check=False)
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        f"error: {file_of(dataset, tmp_path)}: cannot be written: No space left on device; make space"
    )
    assert last.endswith("images recorded so far are kept")
    assert record_for(dataset, tmp_path, 5) is not None
    table = rows(record(source, tmp_path)[1])
    assert int(table["recorded now"]) < IMAGES


def test_subsets_and_combined_datasets_have_records_of_their_own(tmp_path: Path) -> None:
    parts = [
        write_dataset(tmp_path / name, coco([image_entry(number) for number in ids], [], [category_entry(1)]))
        for name, ids in (("a", range(4)), ("b", range(10, 13)))
    ]
    (tmp_path / "ids.txt").write_text("1\n2\n")
    status, printed, errors = record(parts[0], tmp_path, "--subset", tmp_path / "ids.txt")
    assert (status, rows(printed)["recorded now"]) == (0, "2"), errors
    both = [str(word) for file, folder in parts for word in ("--annotations", file, "--images", folder)]
    done = run_python("-m", "sampler", "decode", "--entry-points", *both, settings={"cache_dir": tmp_path}, check=False)
    assert (done.returncode, rows(done.stdout)["recorded now"]) == (0, "7"), done.stderr
    dataset = open_dataset([file for file, _ in parts], [folder for _, folder in parts], tmp_path)
    assert all(record_for(dataset, tmp_path, index) is not None for index in range(7))
    assert len(list((tmp_path / "entry-points").iterdir())) == 2
