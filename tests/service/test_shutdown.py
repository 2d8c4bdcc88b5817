"""Shutdown: requests in flight finish, and nothing is left behind."""

import asyncio
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader
from service.shutdown import Shutdown
from tests.service.test_load import slow_client
from tests.support.live_server import LiveServer, launch, until, wait_until_ready
from tests.support.shared_memory import named_memory
from tests.support.wire_client import get_spec

GRACE = 2.0


@pytest.fixture
def mortal(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> Iterator[LiveServer]:
    """A server that the test itself ends."""
    annotations, images = scenes
    settings = {
        "annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 2, "grace_seconds": GRACE,
    }  # fmt: skip
    process, url = launch(tmp_path / "server.log", settings)
    server = LiveServer(url, process, tmp_path / "server.log")
    try:
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def assert_nothing_left(workers: list[psutil.Process], before: set[str]) -> None:
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    assert named_memory() <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_and_leaves_nothing(mortal: LiveServer, number: signal.Signals) -> None:
    before = named_memory()
    workers = mortal.workers()
    began = time.monotonic()
    mortal.send(number)
    mortal.process.wait(20)
    assert time.monotonic() - began < GRACE + 5
    assert "Traceback" not in mortal.log
    assert len(workers) == 2
    assert_nothing_left(workers, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_stream_ends_the_stream_at_a_batch(mortal: LiveServer, number: signal.Signals) -> None:
    workers = mortal.workers()
    spec = get_spec(mortal.url)
    reader = BatchReader(spec.config, spec.categories, "compact")
    steps = []
    with httpx.stream("GET", f"{mortal.url}/v1/stream?seed=1&batch_size=24", timeout=30) as response:
        for chunk in response.iter_bytes():
            for batch in reader.feed(chunk):
                steps.append(batch.header.step)
                if len(steps) == 2:
                    mortal.send(number)
    assert not reader.incomplete
    assert steps == list(range(len(steps)))
    assert 2 <= len(steps) < 200
    mortal.process.wait(20)
    assert "Traceback" not in mortal.log
    assert_nothing_left(workers, named_memory())


def test_a_batch_in_flight_is_finished(mortal: LiveServer) -> None:
    spec = get_spec(mortal.url)
    reader = BatchReader(spec.config, spec.categories, "compact")
    got: list[WireBatch] = []
    with httpx.stream("GET", f"{mortal.url}/v1/batches?seed=1&step=0&batch_size=100", timeout=30) as response:
        for place, chunk in enumerate(response.iter_bytes()):
            if place == 0:
                mortal.send(signal.SIGTERM)
            got += reader.feed(chunk)
    assert [batch.header.count for batch in got] == [100]
    mortal.process.wait(20)


def test_a_client_that_does_not_read_cannot_delay_the_end(mortal: LiveServer) -> None:
    before = named_memory()
    workers = mortal.workers()
    with slow_client(mortal, "/v1/stream?batch_size=48&layout=dense"):
        until(lambda: mortal.metric("sampler_requests_in_flight") == 1)
        began = time.monotonic()
        mortal.send(signal.SIGTERM)
        mortal.process.wait(30)
        assert GRACE - 0.5 < time.monotonic() - began < GRACE + 8
    assert "grace time is over" in mortal.log
    assert_nothing_left(workers, before)


def test_a_server_that_shuts_down_refuses_requests(mortal: LiveServer) -> None:
    with httpx.Client(base_url=mortal.url) as kept_open, slow_client(mortal, "/v1/stream?batch_size=48"):
        assert kept_open.get("/readyz").status_code == 200
        until(lambda: mortal.metric("sampler_requests_in_flight") == 1)
        mortal.send(signal.SIGTERM)
        until(lambda: _refused(f"{mortal.url}/v1/batches?indices=1"))


def _refused(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 503
    except httpx.TransportError:
        return True


def test_a_killed_server_leaves_no_process_and_no_memory(mortal: LiveServer) -> None:
    before = named_memory()
    workers = mortal.workers()
    with socket.create_connection(("127.0.0.1", httpx.URL(mortal.url).port or 80)) as client:
        client.sendall(b"GET /v1/stream?batch_size=48 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(1000)
        mortal.process.kill()
        mortal.process.wait(10)
    assert len(workers) == 2
    assert_nothing_left(workers, before)


def test_ctrl_c_for_the_whole_process_group_is_a_graceful_shutdown(mortal: LiveServer) -> None:
    workers = mortal.workers()
    for worker in workers:
        worker.send_signal(signal.SIGINT)
        worker.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert all(worker.is_running() for worker in workers)
    mortal.send(signal.SIGINT)
    try:
        mortal.process.wait(20)
    except subprocess.TimeoutExpired:
        pytest.fail(mortal.log)
    assert_nothing_left(workers, named_memory())


def test_responses_that_outlive_the_grace_time_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> bool:
        shutdown = Shutdown(0.05)
        response = asyncio.create_task(asyncio.sleep(30))
        shutdown.watch(response)
        shutdown.begin()
        shutdown.begin()
        await asyncio.wait([response], timeout=5)
        shutdown.uninstall()
        return response.cancelled()

    with caplog.at_level(logging.INFO, "saccade_sampler"):
        assert asyncio.run(scene())
    assert "responses cut: 1" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_startup_ends_a_server_at_once(tmp_path: Path, number: signal.Signals) -> None:
    process, url = launch(tmp_path / "server.log", {"cache_dir": tmp_path / "cache", "workers": 1})
    server = LiveServer(url, process, tmp_path / "server.log")
    try:
        until(lambda: "drawing the demo dataset" in server.log)
        server.send(number)
        assert process.wait(2) == -number
        assert "Traceback" not in server.log
    finally:
        process.kill()
        process.wait()


def test_a_second_ctrl_c_ends_a_server_at_once(mortal: LiveServer) -> None:
    workers = mortal.workers()
    with slow_client(mortal, "/v1/stream?batch_size=48&layout=dense"):
        until(lambda: mortal.metric("sampler_requests_in_flight") == 1)
        mortal.send(signal.SIGINT)
        until(lambda: "responses in flight: 1" in mortal.log)
        mortal.send(signal.SIGINT)
        assert mortal.process.wait(2) == -signal.SIGINT
    assert "Traceback" not in mortal.log
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
