"""What once broke the server: kept, so that it stays mended."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from sampler.stream.shards import STEP_LIMIT
from tests.service.test_load import slow_client
from tests.support.live_server import LiveServer, launch, live_server, until
from tests.support.wire_client import batches


def get(path: str) -> bytes:
    """A request of HTTP/1.1 as it is sent."""
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def connect(server: LiveServer) -> socket.socket:
    """A bare connection to a server."""
    address = httpx.URL(server.url)
    return socket.create_connection((address.host, address.port or 80), timeout=20)


def log_of(server: LiveServer) -> str:
    """What a server wrote, once all its requests have ended."""
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


@pytest.fixture
def own_server(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> Iterator[LiveServer]:
    """A server that one test may harm."""
    annotations, images = scenes
    with live_server(
        tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=2, grace_seconds=3
    ) as server:
        yield server


def test_a_worker_that_cannot_be_started_for_want_of_descriptors_is_started_later(own_server: LiveServer) -> None:
    process = psutil.Process(own_server.process.pid)
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    with httpx.Client(base_url=own_server.url) as client:
        assert client.get("/readyz").status_code == 200
        process.rlimit(psutil.RLIMIT_NOFILE, (5, before[1]))
        for worker in own_server.workers():
            worker.kill()
        until(lambda: own_server.log.count("a worker cannot start: ") >= 2)
        assert client.get("/readyz").status_code == 503
        process.rlimit(psutil.RLIMIT_NOFILE, before)
        until(lambda: client.get("/readyz").status_code == 200)
    assert "Too many open files" in own_server.log


@pytest.mark.parametrize("ahead", [1, 3], ids=["one request", "requests sent ahead"])
def test_clients_that_leave_at_any_moment_leave_no_stack_trace(abandoned: LiveServer, ahead: int) -> None:
    paths = ("/v1/stream?batch_size=8", "/v1/batches?seed=1&step=0&batch_size=100&layout=dense", "/debug/samples/2")
    for number in range(60):
        with connect(abandoned) as client:
            client.sendall(get(paths[number % 3]) * ahead)
            time.sleep((0, 0.005, 0.02, 0.1)[number % 4])
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    log = log_of(abandoned)
    assert "Traceback" not in log
    assert abandoned.metric("sampler_ahead_bytes") == 0


def test_a_client_that_leaves_while_it_sends_its_body_leaves_no_stack_trace(abandoned: LiveServer) -> None:
    with connect(abandoned) as client:
        client.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n" + b'{"indices')
        time.sleep(0.3)
    until(lambda: "POST /v1/batches 499" in abandoned.log)
    assert "Traceback" not in abandoned.log


def test_pictures_for_clients_that_have_left_are_not_drawn(abandoned: LiveServer) -> None:
    with ExitStack() as clients:
        for index in range(24):
            clients.enter_context(connect(abandoned)).sendall(get(f"/debug/samples/{index}.png"))
        until(lambda: abandoned.metric("sampler_requests_in_flight") >= 20)
    until(lambda: abandoned.metric("sampler_requests_in_flight") == 0, seconds=2.0)
    assert abandoned.metric("sampler_queue_depth") == 0


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "true", "1.5", '"3"', "null", "[1]"])
def test_what_is_no_integer_in_a_body_is_refused_by_name(server: LiveServer, value: str) -> None:
    for body in (f'{{"indices": [1], "seed": {value}}}', f'{{"indices": [{value}]}}'):
        answer = httpx.post(f"{server.url}/v1/batches", content=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["field"] in ("seed", "indices.0", "body")


@pytest.mark.parametrize(
    "body",
    ['{"indices": [' + '"",' * 200_000 + "0]}", json.dumps({f"name{number}": 0 for number in range(40_000)})],
    ids=["bad indices", "unknown names"],
)
def test_a_body_full_of_bad_values_gets_a_short_answer(server: LiveServer, body: str) -> None:
    answer = httpx.post(f"{server.url}/v1/batches", content=body)
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


def test_of_many_bad_values_the_rest_is_counted(server: LiveServer) -> None:
    answer = httpx.post(f"{server.url}/v1/batches", json={f"name{number}": 0 for number in range(25)})
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].endswith("; and 5 more")


@pytest.mark.parametrize("path", ["/v1/batches?indices=1&seed=1&seed=2", "/v1/stream?batch_size=2&batch_size=3",
                                  "/debug/samples/1?seed=1&seed=1"])  # fmt: skip
def test_a_parameter_given_twice_is_refused(server: LiveServer, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["expected"] == "one value"


def test_indices_may_be_given_more_than_once(server: LiveServer) -> None:
    once, twice = (httpx.get(f"{server.url}/v1/batches?{query}") for query in ("indices=1,2", "indices=1&indices=2"))
    assert once.content == twice.content


def test_parameters_in_the_url_of_a_post_are_refused(server: LiveServer) -> None:
    answer = httpx.post(f"{server.url}/v1/batches?digest=0123", json={"indices": [1]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "digest"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_a_stream_ends_with_the_last_step_there_is(server: LiveServer, batch_size: int) -> None:
    last = min(STEP_LIMIT, (1 << 63) // batch_size - 1)
    got = list(batches(server.url, f"/v1/stream?batch_size={batch_size}&start={last - 1}"))
    assert [batch.header.step for batch in got] == [last - 1, last]
    assert "Traceback" not in server.log


@pytest.mark.parametrize(("query", "field"), [
    ("start=4611686018427387904&batch_size=2", "start"),
    ("start=0&stop=4611686018427387904&batch_size=4", "stop"),
])  # fmt: skip
def test_a_stream_past_the_last_step_there_is_is_refused(server: LiveServer, query: str, field: str) -> None:
    answer = httpx.get(f"{server.url}/v1/stream?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_behind_a_proxy_that_shows_it_under_a_path_every_link_has_that_path(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = scenes
    monkeypatch.setenv("UVICORN_ROOT_PATH", "/sampler")
    with live_server(tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1) as server:
        assert httpx.get(server.url).headers["location"] == "/sampler/explore/0"
        page = httpx.get(f"{server.url}/explore/3").text
    for quoted in ('"/explore', '"/debug', '"/docs', '"/v1', '"/metrics'):
        assert page.count(quoted) == (1 if quoted == '"/explore' else 0)  # the script puts the path before its own
    assert '"/sampler" + "/explore/"' in page


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_that_still_draws_its_demo_at_once(tmp_path: Path, number: signal.Signals) -> None:
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


def test_a_second_ctrl_c_ends_a_server_at_once(own_server: LiveServer) -> None:
    workers = own_server.workers()
    with slow_client(own_server, "/v1/stream?batch_size=48&layout=dense"):
        until(lambda: own_server.metric("sampler_requests_in_flight") == 1)
        own_server.send(signal.SIGINT)
        until(lambda: "shutting down: 1 responses" in own_server.log)
        own_server.send(signal.SIGINT)
        assert own_server.process.wait(2) == -signal.SIGINT
    assert "Traceback" not in own_server.log
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
