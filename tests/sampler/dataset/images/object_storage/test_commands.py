"""What commands do with images in object storage: read all of them, each once, and end early when they are to."""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_dataset
from sampler.dataset.images.entry_points.records import EntryPointRecords
from sampler.dataset.images.hashes import hash_images
from sampler.dataset.preparation.entry_points import record_images
from sampler.dataset.preparation.store_writer import open_writer
from sampler.dataset.verification.images import check_images
from sampler.dataset.verification.report import Tally
from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset
from tests.support.entry_points import file_of
from tests.support.object_store import FINE, ObjectStore, Trouble
from tests.support.raw_server import raw_server

Advance = Callable[[object], None]


def hash_all(dataset: Dataset, _cache_dir: Path, threads: int, advance: Advance) -> None:
    hash_images(dataset, dataset.images, threads, advance)


def check_all(dataset: Dataset, _cache_dir: Path, threads: int, advance: Advance) -> None:
    check_images(dataset, Tally(5), threads, lambda: advance(None))


def record_all(dataset: Dataset, cache_dir: Path, threads: int, advance: Advance) -> None:
    for image in record_images(dataset, EntryPointRecords.open(file_of(dataset, cache_dir)), threads):
        advance(image)


def decode_all(dataset: Dataset, cache_dir: Path, threads: int, advance: Advance) -> None:
    with open_writer(dataset, cache_dir) as writer:
        writer.run(threads, advance)


COMMANDS = [hash_all, check_all, record_all, decode_all]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_object_is_fetched_once_even_by_many_threads(
    command: Callable[[Dataset, Path, int, Advance], None], tmp_path: Path
) -> None:
    numbers = range(1, 401)
    boxes = [box_entry(number, number, 1, [5, 5, 40, 30]) for number in numbers]
    annotations, images = write_dataset(
        tmp_path, coco([image_entry(number) for number in numbers], boxes, [category_entry(1)])
    )
    content = (images / "000000000001.jpg").read_bytes()

    def respond(connection: socket.socket, _request: bytes) -> None:
        time.sleep(0.02)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: 1\r\n\r\n" % len(content) + content)

    with raw_server(respond) as server:
        dataset = open_dataset(annotations, f"http://127.0.0.1:{server.port}/images", tmp_path / "cache")
        command(dataset, tmp_path / "cache", 32, lambda _: None)
        assert sum(request.startswith(b"GET") for request in server.requests) == len(dataset)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupted_command_does_not_wait_for_the_storage(
    command: Callable[[Dataset, Path, int, Advance], None], remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    first = remote.file_name(0)
    store.proxy.trouble = lambda _number, path: FINE if first in path else Trouble(delay=60.0)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        command(remote, tmp_path, 4, interrupt)
    assert time.monotonic() - began < 10
