"""Objects as images: content, states, names, and what is said about objects that cannot be used."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path

import pytest

from sampler.dataset.dataset import Dataset, open_source
from sampler.dataset.images.image_cache import ImageCache, ImageCachePart
from sampler.dataset.images.object_storage import source as source_module
from sampler.dataset.images.object_storage.read_ahead import REQUESTS
from sampler.dataset.images.object_storage.source import LISTED_FROM
from sampler.dataset.images.source import ImageSource
from sampler.dataset.images.stamps import ImageStamps
from sampler.errors import ImageError, ImageSourceError
from sampler.stream.keys import SampleKey
from tests.support.object_store import BUCKET, SECRET, ObjectStore, Trouble
from tests.support.processes import run_python
from tests.support.stores import stored, write_store

LIMIT = 1 << 20


def respond(trouble: Trouble, _number: int, _path: str) -> Trouble:
    return trouble


def names_of(dataset: Dataset) -> list[str]:
    return [dataset.file_name(index) for index in range(len(dataset))]


def test_objects_have_the_bytes_of_files_read_ahead_or_not(local: Dataset, remote: Dataset) -> None:
    names = names_of(local)
    remote.images.read_ahead(names[:20])
    for name in names:
        assert remote.images.read(name, LIMIT) == local.images.read(name, LIMIT)


def test_a_part_of_an_object_is_read_and_ends_with_it(local: Dataset, remote: Dataset) -> None:
    name = local.file_name(0)
    data = local.images.read(name, LIMIT)
    assert remote.images.read_range(name, 10, 20) == data[10:30]
    assert remote.images.read_range(name, len(data) - 5, 100) == data[-5:]
    assert remote.images.read_range(name, len(data), 100) == b""


def test_reading_ahead_hides_the_latency_with_a_bounded_number_of_requests(remote: Dataset, store: ObjectStore) -> None:
    store.proxy.latency = 0.3
    remote.images.read_ahead(names_of(remote))
    for name in names_of(remote):
        remote.images.read(name, LIMIT)
    assert store.proxy.requests["GET"] == len(remote)
    assert 15 <= store.proxy.most <= REQUESTS


@pytest.mark.parametrize(
    "name", ["a b.jpg", "100%.jpg", "a%20b.jpg", "x+y&z.jpg", "ä/ö.jpg", "a#b?c.jpg", "./a//b.jpg"]
)
def test_any_name_of_a_file_is_the_name_of_an_object(name: str, store: ObjectStore) -> None:
    source = open_source(f"s3://{BUCKET}/names")
    plain = os.path.normpath(name)
    store.put(f"names/{plain}", name.encode())
    assert source.read(name, 100) == name.encode()
    assert plain in set(source.names())
    assert source.stats([name]) == [source.stat(name)]


def test_an_object_that_was_replaced_has_another_version(store: ObjectStore) -> None:
    source = open_source(f"s3://{BUCKET}/versions/")
    store.put("versions/a.jpg", b"first")
    first_state, first = source.stat("a.jpg"), source.read_versioned("a.jpg", 100)
    store.put("versions/a.jpg", b"other")
    other_state, other = source.stat("a.jpg"), source.read_versioned("a.jpg", 100)
    assert (first, other) == ((b"first", first_state), (b"other", other_state))
    assert first_state.size == other_state.size == 5
    assert first_state.version != other_state.version


def test_states_from_a_list_are_those_of_each_object(
    remote: Dataset, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*names_of(remote), "gone.jpg"]
    asked = remote.images.stats(names)
    assert store.proxy.requests["HEAD"] == len(names)
    monkeypatch.setattr(source_module, "LISTED_FROM", 10)
    assert remote.images.stats(names) == asked
    assert asked[-1] is None
    assert store.proxy.requests["HEAD"] == len(names)
    assert store.proxy.requests["LIST"] == 1


def test_a_prefix_with_far_more_objects_is_not_listed_to_its_end(
    remote: Dataset, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "LISTED_FROM", 2)
    names = names_of(remote)[:3]
    assert None not in remote.images.stats(names)
    assert store.proxy.requests["HEAD"] == len(names)


def test_a_missing_object_is_an_error_that_names_it_and_says_what_to_do(remote: Dataset) -> None:
    images = remote.images
    images.read_ahead(["gone.jpg"])
    for method in (images.stat, lambda name: images.read(name, 9), lambda name: images.read_range(name, 0, 1)):
        with pytest.raises(ImageError, match=r"s3://images/.*/gone\.jpg: the object does not exist; upload") as caught:
            method("gone.jpg")
        assert caught.value.kind == "missing"


def test_an_object_longer_than_the_limit_is_an_error(remote: Dataset) -> None:
    name = remote.file_name(0)
    size = remote.images.stat(name).size
    for _ in range(2):
        with pytest.raises(ImageError, match=f"{size} bytes are more than") as caught:
            remote.images.read(name, size - 1)
        assert caught.value.kind == "too-large"
        remote.images.read_ahead([name])


def test_denied_access_is_no_error_of_the_image(remote: Dataset, store: ObjectStore) -> None:
    store.proxy.trouble = lambda _number, _path: Trouble(403, "AccessDenied")
    with pytest.raises(ImageSourceError, match=r"access is denied .*; check the credentials"):
        remote.images.read(remote.file_name(0), LIMIT)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (
            Trouble(403, "InvalidAccessKeyId"),
            r"access is denied \(InvalidAccessKeyId\); check the credentials in [^;]*$",
        ),
        (Trouble(400, "ExpiredToken"), r"refused: status 400 .*\(ExpiredToken\); check credentials and region in"),
        (Trouble(404, "NoSuchBucket"), "bucket or container 'images' does not exist .*; correct SAMPLER_IMAGES"),
    ],
)
def test_a_refused_request_says_what_to_correct(
    trouble: Trouble, message: str, remote: Dataset, store: ObjectStore
) -> None:
    store.proxy.trouble = partial(respond, trouble)
    with pytest.raises(ImageSourceError, match=message):
        remote.images.read(remote.file_name(0), LIMIT)


def test_a_wrong_response_is_not_taken_for_the_object_later(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    remote.stamps = ImageStamps.open(tmp_path / "states.bin")
    store.proxy.trouble = partial(respond, Trouble(200))
    with pytest.raises(ImageError):
        remote.read(0)
    store.settle()
    assert remote.read(0).pixels.tobytes() == local.read(0).pixels.tobytes()


def test_messages_have_no_secret(remote: Dataset, store: ObjectStore) -> None:
    for trouble in (Trouble(403), Trouble(404), Trouble(400)):
        store.proxy.trouble = partial(respond, trouble)
        with pytest.raises((ImageError, ImageSourceError)) as caught:
            remote.images.read(remote.file_name(0), LIMIT)
        assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
        assert caught.value.__suppress_context__


def test_images_that_are_decoded_already_are_not_fetched(remote: Dataset, store: ObjectStore, tmp_path: Path) -> None:
    keys = [SampleKey(0, 0, index) for index in range(4)]
    cached = remote.with_decoded(cache=ImageCachePart(ImageCache.create(8, len(remote))))
    cached.read(0)
    store.settle()
    cached.read_ahead(keys)
    for key in keys:
        cached.read(key.index)
    assert store.proxy.requests["GET"] == 3
    write_store(remote, tmp_path)
    store.settle()
    decoded = stored(remote, tmp_path)
    decoded.read_ahead(keys)
    for key in keys:
        decoded.read(key.index)
    assert store.proxy.requests == {}


def test_a_combined_source_reads_ahead_and_asks_in_its_parts(
    local: Dataset, remote: Dataset, store: ObjectStore, tmp_path: Path
) -> None:
    combined = open_source([tmp_path / "images", remote.images.identity])
    name = local.file_name(0)
    names = [f"1/{name}", f"0/{name}", "0/gone.jpg", "2/x.jpg", "none"]
    assert combined.stats(names) == [remote.images.stat(name), local.images.stat(name), None, None, None]
    store.settle()
    combined.read_ahead([f"{part}/{local.file_name(index)}" for index in range(4) for part in range(2)])
    for index in range(4):
        expected = local.images.read(local.file_name(index), LIMIT)
        for part in range(2):
            assert combined.read_versioned(f"{part}/{local.file_name(index)}", LIMIT)[0] == expected
    assert store.proxy.requests == {"GET": 4}


def test_many_threads_may_read_at_once(local: Dataset, remote: Dataset) -> None:
    names, failed = names_of(local), list[str]()

    def read(first: int) -> None:
        for name in names[first:]:
            if remote.images.read(name, LIMIT) != local.images.read(name, LIMIT):
                failed.append(name)

    remote.images.read_ahead(names)
    threads = [threading.Thread(target=read, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


@pytest.mark.parametrize(
    "use",
    [
        lambda images: images.read("a.jpg", LIMIT),
        lambda images: list(images.names()),
        lambda images: images.stats([f"{number}.jpg" for number in range(LISTED_FROM)]),
        lambda images: open_source(images.identity).read("a.jpg", LIMIT),
    ],
    ids=["read", "names", "stats", "another source"],
)
def test_a_fork_is_told_to_start_processes_otherwise(remote: Dataset, use: Callable[[ImageSource], object]) -> None:
    remote.images.stat(remote.file_name(0))
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            use(remote.images)
        except ImageSourceError as error:
            os.write(send, str(error).encode())
        finally:
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        assert b"was forked after images were read" in stream.read()
    os.waitpid(child, 0)


def test_reads_that_wait_in_other_threads_can_be_cancelled(remote: Dataset, store: ObjectStore) -> None:
    store.proxy.trouble = partial(respond, Trouble(delay=60.0))
    name, ended = remote.file_name(0), list[BaseException]()

    def read() -> None:
        try:
            remote.images.read(name, LIMIT)
        except CancelledError as error:
            ended.append(error)

    remote.images.read_ahead([name])
    reading = threading.Thread(target=read)
    reading.start()
    deadline = time.monotonic() + 10
    while reading.is_alive() and time.monotonic() < deadline:
        remote.images.cancel_reads()
        reading.join(0.1)
    assert ended
    store.settle()
    assert remote.images.read(remote.file_name(1), LIMIT)


def test_a_process_exits_at_once_while_requests_are_under_way(remote: Dataset, store: ObjectStore) -> None:
    store.proxy.latency = 15.0
    program = (
        "import sys, time; from sampler.dataset.dataset import open_source\n"
        "source = open_source(sys.argv[1]); source.read_ahead(sys.argv[2:]); time.sleep(0.3)"
    )
    began = time.monotonic()
    run_python("-c", program, remote.images.identity, *names_of(remote), coverage=False)
    assert time.monotonic() - began < 10


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['obstore'] = None\n"
        "from tests.support.commands import app\n"
        "app(['index', '--annotations', 'a.json', '--images', 's3://bucket/images', '--hash-images'])"
    )
    done = run_python("-c", program, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: s3://…: images in object storage need obstore: pip install 'saccade-sampler[cloud]'"
    )
