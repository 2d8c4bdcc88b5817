"""Many clients, slow clients, disconnected clients: bounded memory, 503, no work for nobody."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.live_server import LiveServer, live_server, until
from tests.support.wire_client import one_batch

PLACES = 6


@pytest.fixture(scope="module")
def shared_small_server(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server that takes six requests at once, lets none wait, and prefetches at most 20 MB of samples."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("small"), annotations=annotations, images=images, cache_dir=cache_dir,
        workers=2, max_requests=PLACES, buffer_mb=20, retry_after=3, grace_seconds=2, queue_seconds=0,
        pause_seconds=600,
    ) as server:  # fmt: skip
        yield server


@pytest.fixture
def small_server(shared_small_server: LiveServer) -> LiveServer:
    """The shared server, once it has no requests."""
    until(lambda: shared_small_server.metric("sampler_requests_in_flight") == 0)
    return shared_small_server


def slow_client(server: LiveServer, path: str, *, small_buffer: bool = True) -> socket.socket:
    """A client that asks and then reads nothing. With a small buffer, it cannot read fast later either."""
    address = httpx.URL(server.url)
    client = socket.create_connection((address.host, address.port or 80))
    if small_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def test_past_the_limit_a_request_gets_503_with_retry_after(small_server: LiveServer) -> None:
    with ExitStack() as clients:
        for _ in range(PLACES):
            clients.enter_context(slow_client(small_server, "/v1/stream?batch_size=48&layout=dense"))
        until(lambda: small_server.metric("sampler_requests_in_flight") == PLACES)
        for path in ("/v1/batches?indices=1", "/v1/images?indices=1", "/v1/stream?batch_size=2"):
            answer = httpx.get(small_server.url + path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "3"
            assert answer.json()["type"] == "urn:saccade-sampler:problem:overloaded"
        until(lambda: httpx.get(f"{small_server.url}/readyz").status_code == 503)
        assert "6 requests are in flight" in httpx.get(f"{small_server.url}/readyz").json()["detail"]
        assert httpx.get(f"{small_server.url}/healthz").status_code == 200
        page = httpx.get(f"{small_server.url}/debug/samples/1", timeout=30)
        assert page.status_code == 200  # pages have places of their own
    until(lambda: small_server.metric("sampler_requests_in_flight") == 0)
    assert httpx.get(f"{small_server.url}/readyz").status_code == 200
    assert one_batch(small_server.url, "indices=1").header.count == 1


def test_memory_stays_bounded_however_many_clients_do_not_read(small_server: LiveServer) -> None:
    process = psutil.Process(small_server.process.pid)
    one_batch(small_server.url, "indices=1,2,3&seed=1", "dense")
    before = process.memory_info().rss
    with ExitStack() as clients:
        for _ in range(4 * PLACES):
            clients.enter_context(slow_client(small_server, "/v1/stream?batch_size=48&layout=dense"))
        until(lambda: small_server.metric("sampler_requests_in_flight") == PLACES)
        time.sleep(2.0)
        assert small_server.metric("sampler_arena_prefetched_bytes") <= 20 << 20
        assert process.memory_info().rss - before < 150 << 20


def test_a_disconnected_client_costs_no_more_work(small_server: LiveServer) -> None:
    with slow_client(small_server, "/v1/stream?batch_size=48"):
        until(lambda: small_server.metric("sampler_requests_in_flight") == 1)
    until(lambda: small_server.metric("sampler_requests_in_flight") == 0)
    until(lambda: small_server.metric("sampler_queued_samples") == 0)
    assert small_server.metric("sampler_arena_prefetched_bytes") == 0
    time.sleep(0.5)  # what workers had begun gets done
    busy = [sum(worker.cpu_times()[:2]) for worker in small_server.workers()]
    time.sleep(1.0)
    idle = [sum(worker.cpu_times()[:2]) for worker in small_server.workers()]
    assert all(later - earlier < 0.1 for earlier, later in zip(busy, idle, strict=True))
    assert "abandoned" in small_server.log


def test_requests_share_the_workers(small_server: LiveServer) -> None:
    with slow_client(small_server, "/v1/stream?batch_size=1024&layout=dense"):
        until(lambda: small_server.metric("sampler_requests_in_flight") == 1)
        assert one_batch(small_server.url, "seed=1&step=0&batch_size=24").header.count == 24
