"""`saccade-sampler decode`: its output, the store it writes, and images that cannot be decoded."""

import os
from pathlib import Path

from sampler.dataset.dataset import Dataset, open_dataset
from tests.support.coco_files import image_file, write_jpeg
from tests.support.processes import run_python
from tests.support.scenes import IMAGES
from tests.support.stores import Source, assert_complete, content, decode, folder_for, open_store


def test_decode_prints_the_space_needed_and_writes_a_store(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    status, printed, errors = decode(source, tmp_path / "cache")
    assert status == 0, errors
    first = printed.splitlines()[0]
    assert first.startswith("images to decode: 24: 7.4 MB; ")
    assert " free in " in first
    assert "24/24" in errors
    assert "MB/s" in errors
    assert dataset.digest in printed
    assert_complete(dataset, tmp_path / "cache")


def test_a_second_decode_has_nothing_to_do(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    decode(source, tmp_path / "cache")
    folder = folder_for(dataset, tmp_path / "cache")
    before = content(folder), [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]
    status, printed, errors = decode(source, tmp_path / "cache")
    assert status == 0
    assert "checking the store" in errors
    assert printed.startswith("all images are decoded already")
    assert (content(folder), [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]) == before


def test_too_little_space_is_reported_before_anything_is_written(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    before = "import shutil; real = shutil.disk_usage\nshutil.disk_usage = lambda path: real(path)._replace(free=10**6)"
    status, printed, errors = decode(source, tmp_path / "cache", before=before)
    assert (status, printed) == (2, "")
    assert errors.count("\n") == 1
    assert errors.startswith("error: ")
    assert "7.4 MB needed, 1.0 MB free; make space or set another cache folder" in errors
    assert list(folder_for(dataset, tmp_path / "cache").iterdir()) == []
    assert open_store(dataset, tmp_path / "cache") is None


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
    image_file(dataset, 2).unlink()
    for index in (5, 6):
        image_file(dataset, index).write_bytes(image_file(dataset, index).read_bytes()[:-100])
    write_jpeg(image_file(dataset, 7), 60, 48)
    status, printed, errors = decode(source, tmp_path / "cache", "--examples", 1)
    assert status == 1, errors
    rows = [line.split("│") for line in printed.splitlines() if line.count("│") == 3]
    counts = {name.strip(): value.strip() for _, name, value, _ in rows}
    assert (counts["decoded now"], counts["not decodable"]) == ("20", "4")
    assert (counts["missing"], counts["unreadable"], counts["mis-sized"]) == ("1", "2", "1")
    assert f"missing {image_file(dataset, 2)}: the file does not exist" in printed
    assert "unreadable … and 1 more" in printed
    store = open_store(dataset, tmp_path / "cache")
    assert store is not None
    assert store.absent == 4
    assert [i for i in range(IMAGES) if store.pixels(i, *dataset.size(i)) is None] == [2, 5, 6, 7]


def test_only_what_has_changed_is_decoded_again(source: Source, dataset: Dataset, tmp_path: Path) -> None:
    image_file(dataset, 3).rename(image_file(dataset, 3).with_suffix(".away"))
    assert decode(source, tmp_path / "cache")[0] == 1
    image_file(dataset, 3).with_suffix(".away").rename(image_file(dataset, 3))
    height, width = dataset.size(4)
    write_jpeg(image_file(dataset, 4), width, height, seed=99)
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 0
    assert printed.startswith("images to decode: 2 (1 whose files have changed): ")
    assert_complete(dataset, tmp_path / "cache")


def test_an_image_that_became_damaged_is_removed_from_the_store(
    source: Source, dataset: Dataset, tmp_path: Path
) -> None:
    decode(source, tmp_path / "cache")
    image_file(dataset, 8).write_bytes(image_file(dataset, 8).read_bytes()[:-100] + b"\xff\xd9")
    status, printed, _ = decode(source, tmp_path / "cache")
    assert status == 1
    assert "damaged images are not in the store; servers read their files" in printed
    store = open_store(dataset, tmp_path / "cache")
    assert store is not None
    assert store.pixels(8, *dataset.size(8)) is None


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


def test_decode_draws_a_progress_bar_on_a_terminal(source: Source, tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    settings = dict(zip(("annotations", "images", "cache_dir"), (*source, tmp_path / "cache"), strict=True))
    run_python("-m", "sampler", "decode", settings=settings, stderr=terminal, variables={"TERM": "xterm"})
    os.close(terminal)
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert "decoding" in shown
    assert "24/24" in shown
    assert "MB/s" in shown
    assert "elapsed" in shown
    assert "left" in shown
