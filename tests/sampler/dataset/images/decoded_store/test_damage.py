"""Damage of stored pixels and records is detected, named and repaired, and never gets into an image."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.decode import ReadOptions
from sampler.dataset.images.decoded_store.blocks import BLOCK, BROKEN, SharedBlockStates, block_count
from sampler.dataset.images.decoded_store.check import check_store
from sampler.dataset.images.decoded_store.contents import StoreContents
from sampler.dataset.images.decoded_store.format import (
    CHECK,
    COLUMNS,
    FILE_SIZE,
    FIRST_BLOCK,
    PART,
    PIXELS,
    RECORDS,
    START,
    row_checksum,
)
from sampler.dataset.images.decoded_store.reader import DecodedStore
from sampler.errors import ImageError, StoreError
from sampler.progress import progress_bar
from sampler.sample.sample import make_sample, plan_sample
from sampler.stream.keys import SampleKey
from tests.support.coco_files import category_entry, coco, image_entry, image_file, write_dataset, write_jpeg
from tests.support.hashes import record
from tests.support.live_server import LiveServer, live_server
from tests.support.processes import run_python
from tests.support.scenes import write_scenes
from tests.support.stores import decode, folder_for, open_store, stored, write_store
from tests.support.wire_client import body


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """24 images with a store; their cache folder is `tmp_path`."""
    opened = open_dataset(*write_scenes(tmp_path), tmp_path)
    assert write_store(opened, tmp_path) == []
    return opened


def damage(file: Path, count: int, seed: int = 1) -> None:
    """Flip a bit in each of `count` bytes of a file, anywhere behind its first 128."""
    data = bytearray(file.read_bytes())
    random = np.random.Generator(np.random.Philox(key=seed))
    for place in random.choice(len(data) - 128, count, replace=False).tolist():
        data[128 + place] ^= 1 << int(random.integers(8))
    file.write_bytes(data)


def broken(dataset: Dataset, cache_dir: Path) -> list[int]:
    """Return the images that are damaged in the store."""
    folder = folder_for(dataset, cache_dir)
    with progress_bar("", len(dataset), show=False) as advance:
        return list(check_store(folder, dataset.store_meta, dataset.sizes, 2, advance))


@pytest.mark.parametrize("name", [PIXELS, RECORDS])
def test_damaged_images_are_read_from_their_files(name: str, dataset: Dataset, tmp_path: Path) -> None:
    damage(folder_for(dataset, tmp_path) / name, 40)
    reported: list[int] = []
    with_store = dataset.with_decoded(
        DecodedStore(folder_for(dataset, tmp_path), dataset.store_meta, None, reported.append)
    )
    for index in range(len(dataset)):
        assert np.array_equal(with_store.read(index).pixels, dataset.read(index).pixels)
    found = broken(dataset, tmp_path)
    assert len(found) > 5
    assert sorted(set(reported)) == found, "whatever is damaged is reported, and nothing else"


def test_a_crop_reads_only_the_blocks_of_its_rows(tmp_path: Path) -> None:
    content = coco([image_entry(1, 800, 900)], [], [category_entry(1)])
    dataset = open_dataset(*write_dataset(tmp_path, content), tmp_path)
    write_store(dataset, tmp_path)
    folder = folder_for(dataset, tmp_path)
    store = DecodedStore(folder, dataset.store_meta, states := bytearray(store_blocks(dataset, tmp_path)))
    assert len(states) == block_count(800 * 900 * 3) == 33
    assert store.pixels(0, 900, 800, rows=(0, 0)) is not None
    assert states.count(1) == 0
    row_bytes = 800 * 3
    assert store.pixels(0, 900, 800, rows=(300, 310)) is not None
    first, last = 300 * row_bytes // BLOCK, (310 * row_bytes - 1) // BLOCK
    assert [place for place, state in enumerate(states) if state] == list(range(first, last + 1))
    with (folder / PIXELS).open("r+b") as pixels:  # a row that no crop has read yet
        pixels.seek(600 * row_bytes)
        pixels.write(b"other pixels")
    assert store.pixels(0, 900, 800, rows=(0, 200)) is not None
    assert store.pixels(0, 900, 800, rows=(590, 601)) is None
    assert store.pixels(0, 900, 800) is None


def store_blocks(dataset: Dataset, cache_dir: Path) -> int:
    return StoreContents.read(folder_for(dataset, cache_dir), dataset.store_meta).blocks


def test_every_sample_has_the_right_bytes_whatever_is_damaged(dataset: Dataset, tmp_path: Path) -> None:
    damage(folder_for(dataset, tmp_path) / PIXELS, 60)
    with_store = stored(dataset, tmp_path)
    config = preset("cornernet_saccade")
    for epoch in range(4):
        for index in range(len(dataset)):
            key = SampleKey(3, epoch, index)
            assert np.array_equal(make_sample(with_store, config, key).crop, make_sample(dataset, config, key).crop), (
                plan_sample(dataset, config, key).region
            )


def test_an_image_in_the_place_of_another_is_damaged(dataset: Dataset, tmp_path: Path) -> None:
    """Images 0 and 8 have the same size, so only the checksums tell them apart."""
    assert dataset.size(0) == dataset.size(8)
    file = folder_for(dataset, tmp_path) / PIXELS
    data = bytearray(file.read_bytes())
    records = np.load(folder_for(dataset, tmp_path) / RECORDS)
    starts = records[[0, 8], START].tolist()
    length = records[1, START] - records[0, START]
    first, second = (bytes(data[start : start + length]) for start in starts)
    data[starts[0] : starts[0] + length], data[starts[1] : starts[1] + length] = second, first
    file.write_bytes(data)
    assert broken(dataset, tmp_path) == [0, 8]


def test_a_sparse_hole_is_damage(dataset: Dataset, tmp_path: Path) -> None:
    """A file system that lost a piece of the file returns zeros, checksums included."""
    file = folder_for(dataset, tmp_path) / PIXELS
    file.write_bytes(bytes(file.stat().st_size))
    assert broken(dataset, tmp_path) == list(range(len(dataset)))


def test_blocks_that_one_process_has_checked_need_no_check_by_another(dataset: Dataset, tmp_path: Path) -> None:
    states = SharedBlockStates.create(store_blocks(dataset, tmp_path))
    folder = folder_for(dataset, tmp_path)
    for _ in range(2):
        store = DecodedStore(folder, dataset.store_meta, states)
        assert all(store.pixels(index, *dataset.size(index)) is not None for index in range(len(dataset)))
        assert states[0 : len(states)] == b"\x01" * len(states)
    damage(folder / PIXELS, 5)
    fresh = SharedBlockStates.create(store_blocks(dataset, tmp_path))
    store = DecodedStore(folder, dataset.store_meta, fresh)
    for index in range(len(dataset)):
        store.pixels(index, *dataset.size(index))
    assert fresh[0 : len(fresh)].count(BROKEN) == 5


def test_damage_that_another_process_has_found_is_reported_too(dataset: Dataset, tmp_path: Path) -> None:
    """The process that found it may have been killed before anybody heard of it."""
    folder = folder_for(dataset, tmp_path)
    damage(folder / PIXELS, 5)
    states = SharedBlockStates.create(store_blocks(dataset, tmp_path))
    reports: list[list[int]] = [[], []]
    for reported in reports:
        store = DecodedStore(folder, dataset.store_meta, states, reported.append)
        for index in range(len(dataset)):
            store.pixels(index, *dataset.size(index))
    assert reports[0] == reports[1] != []


def test_decode_names_and_repairs_damage_and_leaves_the_rest_alone(dataset: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "annotations.json", tmp_path / "images"
    damage(folder_for(dataset, tmp_path) / PIXELS, 8)
    found = broken(dataset, tmp_path)
    reader = stored(dataset, tmp_path)
    held = {index: reader.read(index).pixels for index in range(len(dataset)) if index not in found}
    status, printed, errors = decode(source, tmp_path, "--examples", 100)
    assert status == 0, errors
    assert f"images to decode: {len(found)} ({len(found)} damaged in the store): " in printed
    for index in found:
        assert f"store-damaged the stored pixels of {image_file(dataset, index)}" in printed
    assert broken(dataset, tmp_path) == []
    with_store = stored(dataset, tmp_path)
    assert all(
        np.array_equal(with_store.read(index).pixels, dataset.read(index).pixels) for index in range(len(dataset))
    )
    assert all(np.array_equal(pixels, dataset.read(index).pixels) for index, pixels in held.items())
    assert decode(source, tmp_path)[1].startswith("all images are decoded already")


def test_verify_names_every_damaged_image_and_exits_with_1(dataset: Dataset, tmp_path: Path) -> None:
    options = ("--examples", 100, "--cache-dir", tmp_path)
    source = ("--annotations", tmp_path / "annotations.json", "--images", tmp_path / "images")
    assert run_python("-m", "sampler", "verify", *source, *options, check=False).returncode == 0
    damage(folder_for(dataset, tmp_path) / PIXELS, 8)
    found = broken(dataset, tmp_path)
    done = run_python("-m", "sampler", "verify", *source, *options, check=False)
    assert done.returncode == 1
    for index in found:
        assert f"store-damaged {image_file(dataset, index)}: its pixels in " in done.stdout
    assert f"{len(found)} faults" in done.stdout


def test_an_incomplete_store_is_not_damage(dataset: Dataset, tmp_path: Path) -> None:
    """`decode` was interrupted, or is running now."""
    folder = folder_for(dataset, tmp_path)
    (folder / RECORDS).rename(folder / PART)
    settings = {"annotations": tmp_path / "annotations.json", "images": tmp_path / "images", "cache_dir": tmp_path}
    done = run_python("-m", "sampler", "verify", settings=settings, check=False)
    assert (done.returncode, "store-damaged" in done.stdout) == (0, False)


def test_damaged_records_are_repaired(dataset: Dataset, tmp_path: Path) -> None:
    file = folder_for(dataset, tmp_path) / RECORDS
    records = np.load(file)
    records[5, FIRST_BLOCK] -= 1
    records[7, START] += 4096
    np.save(file, records)
    assert broken(dataset, tmp_path) == [5, 7]
    write_store(dataset, tmp_path)
    assert broken(dataset, tmp_path) == []
    assert np.load(file).shape == (25, COLUMNS)


def test_a_store_of_other_files_than_the_hashed_ones_is_not_used(dataset: Dataset, tmp_path: Path) -> None:
    """The image was decoded before its file was replaced; the hashes are those of the new files."""
    height, width = dataset.size(4)
    write_jpeg(image_file(dataset, 4), width, height, seed=99)
    hashes = record(dataset, tmp_path)
    dataset.hashes = hashes
    with_store = stored(dataset, tmp_path)
    assert np.array_equal(with_store.read(4).pixels, dataset.read(4).pixels)
    contents = StoreContents.read(folder_for(dataset, tmp_path), dataset.store_meta)
    assert contents.from_other_files(hashes) == 1
    assert write_store(dataset, tmp_path) == []
    contents = StoreContents.read(folder_for(dataset, tmp_path), dataset.store_meta)
    assert contents.from_other_files(hashes) == 0


def test_an_image_whose_file_is_damaged_is_not_stored(tmp_path: Path) -> None:
    """So that the choice to serve or refuse it applies whether there is a store or not."""
    dataset = open_dataset(*write_scenes(tmp_path), tmp_path)
    file = image_file(dataset, 6)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + whole[-2:])
    [error] = write_store(dataset, tmp_path)
    assert (error.kind, error.index) == ("damaged", 6)
    notes: list[str] = []
    served = stored(dataset, tmp_path)
    served.notify = lambda index, note: notes.append(f"{index} {note.kind}")
    assert np.array_equal(served.read(6).pixels, dataset.read(6).pixels)
    assert notes == ["6 damaged"]
    served.options = ReadOptions(damaged="refuse")
    with pytest.raises(ImageError):
        served.read(6)


def test_decode_checks_the_hashes_and_does_not_record_any(dataset: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "annotations.json", tmp_path / "images"
    assert open_dataset(*source, tmp_path).pixels is None
    record(dataset, tmp_path)
    height, width = dataset.size(4)
    write_jpeg(image_file(dataset, 4), width, height, seed=99)
    status, printed, _ = decode(source, tmp_path)
    assert status == 1
    assert f"changed {image_file(dataset, 4)}" in printed


def test_a_server_never_sends_damaged_pixels_and_says_what_is_damaged(
    server: LiveServer, scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    dataset = open_dataset(*scenes, cache)
    write_store(dataset, cache)
    damage(folder_for(dataset, cache) / PIXELS, 30)
    found = broken(dataset, cache)
    with live_server(tmp_path, annotations=scenes[0], images=scenes[1], cache_dir=cache, workers=2) as damaged:
        for step in range(8):
            query = f"seed=5&step={step}&batch_size=24&layout=compact"
            assert body(damaged.url, query) == body(server.url, query)
        httpx.get(f"{damaged.url}/debug/samples/{found[0]}.png", timeout=60)  # reads the whole image
        assert damaged.metric('sampler_noted_images{kind="store-damaged"}') >= 1
        log = damaged.log
    [line] = [line for line in log.splitlines() if f"image {found[0]} ({image_file(dataset, found[0])})" in line]
    assert "WARNING" in line
    assert "are damaged; its file is read instead; run `saccade-sampler decode` to repair the store" in line


@pytest.mark.parametrize("number", [-1, 1 << 40, (1 << 63) - 1])
@pytest.mark.parametrize("column", [FIRST_BLOCK, FILE_SIZE, START])
def test_numbers_outside_the_store_are_noticed_even_if_their_checksum_fits(
    column: int, number: int, dataset: Dataset, tmp_path: Path
) -> None:
    file = folder_for(dataset, tmp_path) / RECORDS
    records = np.load(file)
    last = len(records) - 1
    for place in (0, last):
        changed = records.copy()
        changed[place, column] = number
        changed[place, CHECK] = row_checksum(changed, place)
        np.save(file, changed)
        if place == last:
            with pytest.raises(StoreError, match="is damaged: "):
                open_store(dataset, tmp_path)
        elif column != FILE_SIZE:  # that of an image is of its file, and says nothing about the store
            damaged: list[int] = []
            store = open_store(dataset, tmp_path)
            assert store is not None
            store.report = damaged.append
            assert store.pixels(0, *dataset.size(0)) is None
            assert damaged == [0]
