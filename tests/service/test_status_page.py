"""The status of a real server: what streams do, who is the bottleneck, and what failed."""

import http.client
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.activity.watchers import MAX_WATCHERS
from tests.support.live_server import LiveServer, live_server, until

SECONDS = 60.0
"""Enough for a machine that does other things, too."""


@pytest.fixture(scope="module")
def watched(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    annotations, images = scenes
    folder = tmp_path_factory.mktemp("watched")
    with live_server(folder, annotations=annotations, images=images, cache_dir=cache_dir, workers=1) as running:
        yield running


def status(server: LiveServer) -> Any:
    response = httpx.get(f"{server.url}/status.json")
    assert response.headers["cache-control"] == "no-store"
    return response.json()


@contextmanager
def stream(server: LiveServer, query: str) -> Iterator[http.client.HTTPResponse]:
    """Open a stream, which is read only as far as the block does."""
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=SECONDS)) as connection:
        connection.request("GET", f"/v1/stream?{query}")
        yield connection.getresponse()


def test_a_client_that_does_not_read_is_the_bottleneck_and_its_stream_says_where_it_is(watched: LiveServer) -> None:
    with stream(watched, "seed=7&start=9500&batch_size=16&rank=1&world_size=2&layout=dense") as response:
        assert len(response.read(200_000)) == 200_000
        until(lambda: status(watched)["verdict"]["kind"] in ("trainer", "idle"), SECONDS)
        until(lambda: status(watched)["rates"]["waiting_for_clients"] > 0.5, SECONDS)
        (row,) = status(watched)["streams"]
    assert row["facts"] | {"dataset": ""} == {
        "dataset": "", "layout": "dense", "seed": 7, "rank": 1, "world_size": 2, "batch_size": 16, "is_stream": True,
    }  # fmt: skip
    assert (row["client"], row["step"], row["waiting_for"]) == ("127.0.0.1", 9500, "client")
    assert row["sent_bytes"] >= 200_000
    assert row["samples_per_second"] < 1000
    until(lambda: not status(watched)["streams"], SECONDS)


def test_a_client_that_reads_all_shows_the_server_as_the_bottleneck(watched: LiveServer) -> None:
    snapshots: list[Any] = []

    def look() -> bool:
        snapshots.append(status(watched))
        return snapshots[-1]["verdict"]["kind"] in ("workers", "storage", "cpus")

    with stream(watched, "seed=8&batch_size=48") as response, reading_all(response):
        until(look, SECONDS)
    assert snapshots[-1]["rates"]["samples_per_second"] > 0
    assert snapshots[-1]["rates"]["workers_busy"] > 0.5
    assert "add a host" in snapshots[-1]["verdict"]["advice"].lower()


@contextmanager
def reading_all(response: Any) -> Iterator[None]:
    """Read a response in a thread as fast as it comes, until the end of the block."""
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            response.read(1 << 20)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()


def events(server: LiveServer) -> Iterator[tuple[str, Any]]:
    """Yield the names and data of the server's events."""
    with httpx.stream("GET", f"{server.url}/status/events", timeout=SECONDS) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                name = ""


def test_events_have_the_snapshot_and_the_same_in_words_again_and_again(watched: LiveServer) -> None:
    with closing(events(watched)) as received:  # type: ignore[type-var] # it is a generator
        found = [next(received) for _ in range(4)]
    assert [name for name, _ in found] == ["", "page", "", "page"]
    assert found[2][1]["time"] > found[0][1]["time"]
    assert found[0][1].keys() == status(watched).keys()
    assert found[1][1]["values"]["verdict"] == found[0][1]["verdict"]["text"]


def test_the_page_shows_the_verdict_without_a_script(watched: LiveServer) -> None:
    page = httpx.get(f"{watched.url}/status").text
    assert f'data-value="verdict">{status(watched)["verdict"]["text"][:6]}' in page
    assert '<noscript><meta http-equiv="refresh"' in page


@pytest.mark.parametrize("path", ["/status", "/status.json", "/status/events"])
def test_a_head_ends(watched: LiveServer, path: str) -> None:
    assert httpx.head(watched.url + path).status_code == 200


def test_watchers_that_come_at_once_are_counted_before_the_first_event(watched: LiveServer) -> None:
    until(lambda: watched.metric("sampler_status_watchers") == 0, SECONDS)
    with ExitStack() as connections:
        all_of_them = [
            connections.enter_context(
                closing(http.client.HTTPConnection(urlsplit(watched.url).netloc, timeout=SECONDS))
            )
            for _ in range(MAX_WATCHERS + 8)
        ]
        for connection in all_of_them:
            connection.connect()
        watched.send(signal.SIGSTOP)  # so that it finds all requests at once
        for connection in all_of_them:
            connection.request("GET", "/status/events")
        watched.send(signal.SIGCONT)
        statuses = [connections.enter_context(closing(one.getresponse())).status for one in all_of_them]
        assert sorted(statuses) == [200] * MAX_WATCHERS + [503] * 8
    until(lambda: watched.metric("sampler_status_watchers") == 0, SECONDS)


@pytest.fixture
def own(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> Iterator[LiveServer]:
    annotations, images = scenes
    with live_server(tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1) as running:
        yield running


def test_a_dead_worker_is_listed_and_watchers_hear_of_the_shutdown(own: LiveServer) -> None:
    own.workers()[0].kill()
    until(lambda: bool(status(own)["errors"]), SECONDS)
    (error,) = status(own)["errors"]
    assert (error["kind"], error["text"]) == ("worker", "A worker ended (signal 9) and was replaced.")
    received = events(own)
    next(received)
    own.process.terminate()
    kinds = [data["verdict"]["kind"] for name, data in received if not name]
    assert kinds[-1] == "shutting-down"
