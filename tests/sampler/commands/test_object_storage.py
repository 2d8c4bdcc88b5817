"""The commands with images in object storage: what they print and write is what they do for a folder."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sampler.dataset.dataset import open_dataset
from sampler.dataset.images.decoded_store.format import DECODED, PART, RECORDS, STATE, load_records
from tests.support.coco_files import (
    box_entry,
    category_entry,
    coco,
    image_entry,
    write_dataset,
    write_faulty_dataset,
)
from tests.support.hashes import record
from tests.support.object_store import SLOW_DOWN, ObjectStore, Trouble
from tests.support.processes import run_python
from tests.support.stores import assert_complete, folder_for, start_decode

IMAGES = 40


def make(folder: Path, images: int = IMAGES) -> tuple[Path, Path]:
    numbers = range(1, images + 1)
    boxes = [box_entry(number, number, 1, [5, 5, 40, 30]) for number in numbers]
    return write_dataset(folder, coco([image_entry(number) for number in numbers], boxes, [category_entry(1)]))


def program(
    command: str, files: tuple[Path, Path | str], cache_dir: Path, *options: object
) -> "subprocess.CompletedProcess[str]":
    settings: Mapping[str, object] = {"annotations": files[0], "images": files[1], "cache_dir": cache_dir}
    return run_python("-m", "sampler", command, *options, settings=settings, check=False)


def test_verify_finds_the_same_as_in_a_folder(store: ObjectStore, tmp_path: Path) -> None:
    files = write_faulty_dataset(tmp_path)
    url = store.upload(files[1], tmp_path.name)
    local = json.loads(program("verify", files, tmp_path / "a", "--json").stdout)
    remote = json.loads(program("verify", (files[0], url), tmp_path / "b", "--json").stdout)
    for report in (local, remote):
        for finding in report["findings"].values():
            for example in finding["examples"]:
                example["where"] = example["where"].replace(str(files[1]), url)
        del report["findings"]["missing"]["examples"]  # their causes speak of files and of objects
    assert remote == local
    assert remote["findings"]["missing"]["count"] == 1


def test_verify_stops_and_takes_no_image_for_unusable_while_the_storage_fails(
    store: ObjectStore, tmp_path: Path
) -> None:
    files = make(tmp_path, 3)
    url = store.upload(files[1], tmp_path.name)
    store.proxy.trouble = lambda _number, _path: Trouble(403, "ExpiredToken")
    done = program("verify", (files[0], url), tmp_path / "cache", "--unusable", tmp_path / "unusable.json")
    assert done.returncode == 2
    assert f"error: {url}/" in done.stderr.splitlines()[-1]
    assert "access is denied" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "unusable.json").exists()


def test_hashes_are_those_of_a_folder(store: ObjectStore, tmp_path: Path) -> None:
    files = make(tmp_path)
    url = store.upload(files[1], tmp_path.name)
    store.proxy.latency = 0.05
    local = record(open_dataset(*files, tmp_path / "cache"), tmp_path / "cache")
    done = program("index", (files[0], url), tmp_path / "cache", "--hash-images")
    assert done.returncode == 0, done.stderr
    hashes = open_dataset(files[0], url, tmp_path / "cache").hashes
    assert hashes is not None
    assert hashes.digest == local.digest
    assert store.proxy.most > 10


def test_a_store_is_decoded_straight_from_the_bucket_and_changed_objects_once_their_hashes_are_recorded(
    store: ObjectStore, tmp_path: Path
) -> None:
    files = make(tmp_path)
    url = store.upload(files[1], tmp_path.name)
    source, cache_dir = (files[0], url), tmp_path / "cache"
    store.proxy.latency = 0.05
    store.proxy.trouble = lambda number, _path: SLOW_DOWN if number % 10 == 0 else Trouble()
    done = program("decode", source, cache_dir)
    assert done.returncode == 0, done.stderr
    assert store.proxy.most > 10
    assert store.proxy.requests["HEAD"] == 0  # the state of an object comes with its content
    store.settle()
    dataset = open_dataset(*source, cache_dir)
    assert_complete(dataset, cache_dir)
    store.put(f"{tmp_path.name}/{dataset.file_name(3)}", (files[1] / dataset.file_name(4)).read_bytes())
    store.settle()
    done = program("decode", source, cache_dir)
    assert "1 whose files have changed" in done.stdout
    assert store.proxy.requests["GET"] == 1
    assert done.returncode == 1
    assert "the object has changed since it was first read" in done.stdout
    assert program("index", source, cache_dir, "--hash-images").returncode == 0
    store.settle()
    done = program("decode", source, cache_dir)
    assert done.returncode == 0, done.stderr
    assert store.proxy.requests["GET"] == 1
    assert_complete(open_dataset(*source, cache_dir), cache_dir)


def test_an_interrupted_decode_resumes_and_fetches_no_object_again(store: ObjectStore, tmp_path: Path) -> None:
    files = make(tmp_path, 2 * IMAGES)
    url = store.upload(files[1], tmp_path.name)
    source, cache_dir = (files[0], url), tmp_path / "cache"
    store.proxy.trouble = lambda number, _path: Trouble(403) if number > 70 else Trouble()
    first = start_decode(source, cache_dir, before="pass")  # type: ignore[arg-type] # a URL instead of a folder
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 2, errors
    assert "access is denied" in errors
    store.settle()
    dataset = open_dataset(*source, cache_dir)
    folder = folder_for(dataset, cache_dir)
    records = load_records(folder / PART, 2 * IMAGES, mapped=False)
    decoded = int((records[:-1, STATE] == DECODED).sum())
    assert decoded >= 20
    done = program("decode", source, cache_dir)
    assert done.returncode == 0, done.stderr
    assert store.proxy.requests["GET"] == 2 * IMAGES - decoded
    assert (folder / RECORDS).exists()
    assert_complete(dataset, cache_dir)


def test_entry_points_are_recorded_as_for_a_folder(store: ObjectStore, tmp_path: Path) -> None:
    files = make(tmp_path)
    url = store.upload(files[1], tmp_path.name)
    done = program("decode", (files[0], url), tmp_path / "cache", "--entry-points")
    assert done.returncode == 0, done.stderr
    again = program("decode", (files[0], url), tmp_path / "cache", "--entry-points")
    assert re.search(rf"recorded now\W+{IMAGES}\b", done.stdout)
    assert re.search(r"recorded now\W+0\b", again.stdout)


def test_decode_stops_where_the_states_of_objects_cannot_be_recorded(store: ObjectStore, tmp_path: Path) -> None:
    files = make(tmp_path, 3)
    url = store.upload(files[1], tmp_path.name)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "image-states").touch()  # not a folder
    done = program("decode", (files[0], url), tmp_path / "cache")
    assert done.returncode == 2
    assert re.search(r"error: .*/image-states/.*\.bin: cannot be opened: ", done.stderr.splitlines()[-1])
