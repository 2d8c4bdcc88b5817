"""Object storage that fails: requests are repeated, and samples have the bytes of local files."""

import socket
import time

import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import Dataset, open_source
from sampler.dataset.images.object_storage import objects, read_ahead
from sampler.errors import ImageSourceError
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from tests.support.object_store import FINE, SLOW_DOWN, ObjectStore, Trouble
from tests.support.raw_server import BODY, raw_server

CONFIG = preset("cornernet_saccade")

TROUBLES = {
    "throttled": SLOW_DOWN,
    "too many requests": Trouble(429, "TooManyRequests"),
    "internal errors": Trouble(500),
    "cut": Trouble(cut=True),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
@pytest.mark.parametrize("ahead", [True, False])
def test_samples_have_the_bytes_of_local_files(
    trouble: Trouble, ahead: bool, local: Dataset, remote: Dataset, store: ObjectStore
) -> None:
    """Every other response is the trouble, and the others are late."""
    store.proxy.latency = 0.02
    store.proxy.trouble = lambda number, _path: trouble if number % 2 else FINE
    keys = [SampleKey(7, 1, index) for index in range(12)]
    if ahead:
        remote.read_ahead(keys)
    for key in keys:
        expected, found = make_sample(local, CONFIG, key), make_sample(remote, CONFIG, key)
        assert found.crop.tobytes() == expected.crop.tobytes()
        assert found.boxes.tobytes() == expected.boxes.tobytes()
        assert found.recipe == expected.recipe
    assert store.proxy.requests["GET"] > len(keys)


def test_a_response_that_never_ends_is_given_up_and_names_the_object(
    remote: Dataset, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "REQUEST_SECONDS", 0.5)
    store.proxy.trouble = lambda _number, _path: Trouble(delay=5.0)
    began = time.monotonic()
    with pytest.raises(ImageSourceError, match=rf"{remote.file_name(0)}: no complete response in time"):
        remote.images.read(remote.file_name(0), 1 << 20)
    assert time.monotonic() - began < 4


def test_what_failed_ahead_is_fetched_again_when_it_is_read(
    local: Dataset, remote: Dataset, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "FAILED_SECONDS", 0.0)
    store.proxy.trouble = lambda _number, _path: Trouble(500)
    names = [local.file_name(index) for index in range(6)]
    with monkeypatch.context() as brief:
        brief.setattr(objects, "REQUEST_SECONDS", 0.3)
        remote.images.read_ahead(names)
        time.sleep(0.6)
    store.settle()
    for name in names:
        assert remote.images.read(name, 1 << 20) == local.images.read(name, 1 << 20)


def send_slowly(connection: socket.socket, _request: bytes) -> None:
    """Send an object in a second."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: 1\r\n\r\n" % len(BODY))
    for start in range(0, len(BODY), 30_000):
        connection.sendall(BODY[start : start + 30_000])
        time.sleep(0.1)


def test_a_slow_response_that_makes_progress_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "REQUEST_SECONDS", 0.5)
    with raw_server(send_slowly) as server:
        assert open_source(f"http://127.0.0.1:{server.port}/images").read("a.jpg", 1 << 20) == BODY
        assert len(server.requests) == 1


def test_a_response_below_the_least_rate_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(objects, "LEAST_RATE", 1 << 30)
    with raw_server(send_slowly) as server, pytest.raises(ImageSourceError, match="no complete response in time"):
        open_source(f"http://127.0.0.1:{server.port}/images").read("a.jpg", 1 << 20)
