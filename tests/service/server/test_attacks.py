"""Clients that try to take a server from the others: endless heads, and more connections than there are descriptors."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.live_server import PLAIN, SERVE, LiveServer, running, until
from tests.support.wire_client import one_batch

MEGABYTE = 1 << 20


def limited_to(descriptors: int) -> Callable[[], None]:
    """A function that limits its process, which may raise half of the limit to all of it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors // 2, descriptors))

    return limit


@contextmanager
def server_with(
    descriptors: int, scenes: tuple[Path, Path], cache_dir: Path, folder: Path, command: Sequence[str] = SERVE
) -> Iterator[LiveServer]:
    """A server that may open no more descriptors than that."""
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}
    with running(folder, settings, command, preexec_fn=limited_to(descriptors), coverage=False) as server:
        yield server


@contextmanager
def room_for(connections: int) -> Iterator[None]:
    """Let this process open that many sockets in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY,) and hard < connections + 200:
        pytest.skip(f"this process may open only {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, connections + 200), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def address(server: LiveServer) -> tuple[str, int]:
    port = httpx.URL(server.url).port
    assert port is not None
    return "127.0.0.1", port


def send_endless_head(server: LiveServer, megabytes: int) -> int:
    """Send a head that does not end; return how many bytes were sent before the server closed the connection."""
    sent = 0
    with socket.create_connection(address(server)) as connection, suppress(OSError):
        connection.settimeout(30)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: ")
        while sent < megabytes * MEGABYTE:
            connection.sendall(b"a" * MEGABYTE)
            sent += MEGABYTE
    return sent


def test_an_endless_head_takes_no_memory_and_delays_nobody(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    with server_with(1024, scenes, cache_dir, tmp_path) as server:
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        sent: list[int] = []
        attack = threading.Thread(target=lambda: sent.append(send_endless_head(server, 40)))
        attack.start()
        slowest, most = 0.0, before
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while attack.is_alive():
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                most = max(most, process.memory_info().rss)
        attack.join()
        grown = (most - before) / MEGABYTE
        print(f"sent {sent[0] / MEGABYTE:g} MB, slowest health check {slowest:.3f} s, memory +{grown:.0f} MB")
        assert sent[0] < 16 * MEGABYTE  # what the sockets' buffers hold
        assert slowest < 0.5
        assert grown < 20


def test_a_fair_client_is_served_among_1600_idle_connections(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    with server_with(1024, scenes, cache_dir, tmp_path) as server, room_for(1600), ExitStack() as stack:
        for _ in range(1600):
            stack.enter_context(socket.create_connection(address(server)))
        began = time.monotonic()
        for index in range(3):
            assert one_batch(server.url, f"indices={index}&seed=1").header.count == 1
        print(f"three batches took {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 5
        process = psutil.Process(server.process.pid)
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (1024, 1024)
        assert 600 < process.num_fds() < 1024 - 16
        assert server.metric('sampler_connections_closed_total{limit="evicted"}') >= 600


@pytest.mark.parametrize("command", [SERVE, PLAIN], ids=["serve", "plain uvicorn"])
def test_a_dead_worker_is_replaced_while_connections_take_all_descriptors(
    command: Sequence[str], scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    with (
        server_with(200, scenes, cache_dir, tmp_path, command) as server,
        room_for(400),
        ExitStack() as stack,
    ):
        for _ in range(400):
            stack.enter_context(suppress(ConnectionError))
            stack.enter_context(socket.create_connection(address(server)))
        (worker,) = server.workers()
        worker.kill()
        until(lambda: [other.pid for other in server.workers()] not in ([], [worker.pid]), 60)
        time.sleep(0.5)
        assert "a worker cannot start" not in server.log
