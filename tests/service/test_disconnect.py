"""Clients that disconnect cost no work and leave no stack trace."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.live_server import LiveServer, live_server, until


def get(path: str) -> bytes:
    """The bytes of an HTTP/1.1 request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def connect(server: LiveServer) -> socket.socket:
    """A bare connection to a server."""
    address = httpx.URL(server.url)
    return socket.create_connection((address.host, address.port or 80), timeout=20)


def log_of(server: LiveServer) -> str:
    """The log of a server, once all its requests have ended."""
    until(lambda: server.metric("sampler_requests_in_flight") == 0)
    return server.log


@pytest.fixture(scope="module")
def abandoned(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server for clients that disconnect."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("abandoned"), annotations=annotations, images=images, cache_dir=cache_dir, workers=2
    ) as server:
        yield server


@pytest.mark.parametrize("ahead", [1, 3], ids=["one request", "pipelined requests"])
def test_clients_that_disconnect_at_any_moment_cause_no_stack_trace(abandoned: LiveServer, ahead: int) -> None:
    paths = ("/v1/stream?batch_size=8", "/v1/batches?seed=1&step=0&batch_size=100&layout=dense", "/debug/samples/2")
    for number in range(60):
        with connect(abandoned) as client:
            client.sendall(get(paths[number % 3]) * ahead)
            time.sleep((0, 0.005, 0.02, 0.1)[number % 4])
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    log = log_of(abandoned)
    assert "Traceback" not in log
    assert abandoned.metric("sampler_arena_prefetched_bytes") == 0


def test_a_client_that_disconnects_while_sending_its_body_causes_no_stack_trace(abandoned: LiveServer) -> None:
    with connect(abandoned) as client:
        head = (
            b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        )
        client.sendall(head + b'\r\n{"indices')
        time.sleep(0.3)
    until(lambda: "POST /v1/batches 499" in abandoned.log)
    assert "Traceback" not in abandoned.log


def test_pictures_for_disconnected_clients_are_not_drawn(abandoned: LiveServer) -> None:
    with ExitStack() as clients:
        for index in range(24):
            clients.enter_context(connect(abandoned)).sendall(get(f"/debug/samples/{index}.png"))
        until(lambda: httpx.get(f"{abandoned.url}/healthz").status_code == 200)  # the requests before it have arrived
    until(lambda: log_of(abandoned).count(".png 499") >= 15, seconds=2.0)  # some may have been drawn before
