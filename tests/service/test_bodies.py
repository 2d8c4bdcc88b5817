"""Request bodies: whatever clients send, others are served, and memory stays small."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.live_server import PLAIN, LiveServer, running, until

MEGABYTE = 1 << 20
CLIENTS = 300
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def receiving(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server under plain uvicorn that waits a second for bodies."""
    annotations, images = scenes
    settings = {
        "annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1, "body_seconds": 1,
        "min_rate_kb": 1024, "grace_seconds": 1,
    }  # fmt: skip
    with running(tmp_path_factory.mktemp("receiving"), settings, PLAIN) as server:
        yield server


def send_unfinished(server: LiveServer, request: str, length: int) -> socket.socket:
    """A client that sends a request without the last bytes of its body, as far as the server takes it."""
    address = httpx.URL(server.url)
    client = socket.create_connection((address.host, address.port or 80))
    head = (
        f"{request} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    client.sendall(head.encode())
    client.setblocking(False)
    with suppress(BlockingIOError, ConnectionError):
        sent = 0
        while sent < length - 1:
            sent += client.send(b" " * (length - 1 - sent))
    return client


def post(server: LiveServer, body: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/batches", content=body, headers=JSON, timeout=30)


@pytest.mark.parametrize("request_line", ["POST /v1/batches", "GET /v1/spec", "POST /unknown"])
def test_unfinished_bodies_take_little_memory_and_delay_nobody(receiving: LiveServer, request_line: str) -> None:
    resident = psutil.Process(receiving.process.pid).memory_info
    post(receiving, b'{"indices": [1]}')
    before = resident().rss
    with ExitStack() as clients:
        for _ in range(CLIENTS):
            clients.enter_context(send_unfinished(receiving, request_line, MEGABYTE))
        began = time.monotonic()
        assert post(receiving, b'{"indices": [1, 2]}').status_code == 200
        assert httpx.get(f"{receiving.url}/v1/batches?indices=1,2", timeout=30).status_code == 200
        assert time.monotonic() - began < 5
        assert resident().rss - before < 100 << 20


def test_a_body_that_does_not_arrive_gets_408_and_the_connection_is_closed(receiving: LiveServer) -> None:
    with send_unfinished(receiving, "POST /v1/batches", 1000) as client:
        client.settimeout(10)
        received = b"".join(iter(lambda: client.recv(4096), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received.lower()
    assert b"urn:saccade-sampler:problem:body-timeout" in received


def test_a_large_body_waits_for_room_until_an_idle_one_gives_it_up(receiving: LiveServer) -> None:
    with ExitStack() as clients:
        for _ in range(20):  # more than there is room for
            clients.enter_context(send_unfinished(receiving, "POST /v1/batches", MEGABYTE))
        until(lambda: post(receiving, b" " * (MEGABYTE // 2) + b'{"indices": [1]}').status_code == 200, 8)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_any_allowed_size_is_read(receiving: LiveServer, chunked: bool) -> None:
    for size in (100, 65_536, 70_000, MEGABYTE):
        body = b'{"indices": [1, 2]}'.ljust(size)
        pieces = (body[start : start + 50_000] for start in range(0, size, 50_000))
        response = httpx.post(f"{receiving.url}/v1/batches", content=pieces if chunked else body, headers=JSON)
        assert response.status_code == 200, size
        assert response.content == httpx.get(f"{receiving.url}/v1/batches?indices=1,2").content


def test_hostile_bodies_do_not_delay_others(receiving: LiveServer) -> None:
    body = json.dumps({f"{number:x}": 0 for number in range(95_000)}, separators=(",", ":")).encode()
    assert 800_000 < len(body) < MEGABYTE
    response = post(receiving, body)
    assert response.status_code == 422
    assert len(response.content) < 1000
