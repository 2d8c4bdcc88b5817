"""Clients that request and do not read: others are served meanwhile, and those that read again get the same bytes."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from sampler.wire.reader import BatchReader
from tests.service.test_load import slow_client
from tests.support.live_server import PLAIN, LiveServer, live_server, running, until
from tests.support.wire_client import body, get_spec

PLACES = 6
PAUSE = 0.3
LONG_PAUSE = 5 * PAUSE
BUFFER = 20 << 20

STREAM = "/v1/stream?seed={}&batch_size=12&layout=dense"
SINGLE = "/v1/batches?seed={}&step=0&batch_size=96&layout=dense"
KINDS: dict[str, list[str]] = {
    "streams": ["/v1/stream?seed={}&batch_size=48"],
    "single batches": ["/v1/batches?seed={}&step=0&batch_size=96"],
    "mixed": ["/v1/stream?seed={}&batch_size=48", SINGLE, "/debug/samples/1.png?seed={}"],
}


@pytest.fixture(scope="module")
def full_size(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server under plain uvicorn with the default limits."""
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 2, "grace_seconds": 1}
    with running(tmp_path_factory.mktemp("full"), settings, PLAIN) as server:
        yield server


@pytest.fixture(scope="module")
def shared_pausing(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server that takes six requests at once, pauses responses soon, and has little memory."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("pausing"), annotations=annotations, images=images, cache_dir=cache_dir, workers=2,
        max_requests=PLACES, buffer_mb=BUFFER >> 20, batch_cache_mb=0, pause_seconds=PAUSE, min_rate_kb=4000,
        grace_seconds=5,
    ) as server:  # fmt: skip
        yield server


@pytest.fixture
def pausing(shared_pausing: LiveServer) -> LiveServer:
    """The shared server, once it has no responses."""
    until(lambda: shared_pausing.metric("sampler_requests_in_flight") == 0)
    until(lambda: shared_pausing.metric("sampler_paused_responses") == 0)
    return shared_pausing


@contextmanager
def reading_a_byte_per_second(clients: list[socket.socket]) -> Iterator[None]:
    """Read from all clients, very slowly."""
    done = threading.Event()

    def read() -> None:
        while not done.wait(1.0):
            for client in clients:
                with suppress(OSError):
                    client.recv(1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def begin_to_read(client: socket.socket) -> http.client.HTTPResponse:
    """The response to a client that has read nothing so far."""
    client.settimeout(30)
    response = http.client.HTTPResponse(client)
    response.begin()
    return response


def patient_client(server: LiveServer, path: str) -> socket.socket:
    """A client that reads nothing for now, and fast later."""
    return slow_client(server, path, small_buffer=False)


def reference(server: LiveServer, seed: int, steps: int) -> bytes:
    """The bytes of a stream, from single batches of another server."""
    return b"".join(body(server.url, f"seed={seed}&step={step}&batch_size=12&layout=dense") for step in range(steps))


def timed(server: LiveServer, path: str) -> tuple[float, httpx.Response]:
    """Seconds that a request takes, and the response."""
    began = time.monotonic()
    response = httpx.get(server.url + path, timeout=60)
    return time.monotonic() - began, response


@pytest.mark.parametrize("kind", KINDS)
def test_64_clients_that_read_nothing_delay_a_fair_one_by_seconds(
    full_size: LiveServer, server: LiveServer, kind: str
) -> None:
    alone = timed(full_size, "/v1/batches?seed=98&step=0&batch_size=24")[0]
    before = full_size.metric("sampler_pauses_total")
    with ExitStack() as stack:
        clients = []
        for number in range(64):
            path = KINDS[kind][number % len(KINDS[kind])].format(number)
            clients.append(stack.enter_context(slow_client(full_size, path)))
        stack.enter_context(reading_a_byte_per_second(clients[:20]))
        until(lambda: full_size.metric("sampler_pauses_total") > before + 10)  # they have what they prefetch
        waited, got = timed(full_size, "/v1/batches?seed=99&step=0&batch_size=24")
    assert got.status_code == 200
    assert got.content == body(server.url, "seed=99&step=0&batch_size=24")
    assert waited < 5 + 10 * alone  # this machine may be busy


def test_a_stream_that_was_paused_for_longer_than_any_limit_goes_on_with_the_same_bytes(
    pausing: LiveServer, server: LiveServer
) -> None:
    with ExitStack() as clients:
        patient = clients.enter_context(patient_client(pausing, STREAM.format(7) + "&stop=5"))
        until(lambda: pausing.metric("sampler_paused_responses") == 1)
        for seed in range(2 * PLACES):  # they take its memory
            clients.enter_context(slow_client(pausing, STREAM.format(seed)))
        until(lambda: pausing.metric("sampler_paused_responses") == 2 * PLACES + 1)
        time.sleep(2 * LONG_PAUSE)
        assert pausing.metric("sampler_arena_prefetched_bytes") == 0
        assert begin_to_read(patient).read() == reference(server, 7, 5)
    until(lambda: ", paused" in pausing.log)


def test_a_stream_whose_client_pauses_again_and_again_has_the_same_bytes(
    pausing: LiveServer, server: LiveServer
) -> None:
    before = pausing.metric("sampler_resumptions_total")
    reader = BatchReader((spec := get_spec(pausing.url)).config, spec.categories, "dense")
    with patient_client(pausing, STREAM.format(8) + "&stop=8") as client:
        response = begin_to_read(client)
        got = []
        for pause in (PAUSE, 3 * PAUSE, LONG_PAUSE + PAUSE):
            until(lambda: pausing.metric("sampler_paused_responses") == 1)
            time.sleep(pause)
            got.append(response.read(9_000_000))
        got.append(response.read())
    whole = b"".join(got)
    assert whole == reference(server, 8, 8)
    assert len(list(reader.feed(whole))) == 8  # with the digests of the trailers
    assert pausing.metric("sampler_resumptions_total") - before >= 3


def test_more_paused_clients_than_memory_leave_a_fair_one_its_batches(pausing: LiveServer, server: LiveServer) -> None:
    resident = psutil.Process(pausing.process.pid).memory_info
    alone = timed(pausing, "/v1/batches?seed=98&step=0&batch_size=24&layout=dense")[0]
    with ExitStack() as clients:
        before = resident().rss
        for group in range(1, 6):  # no more at once, or they would be refused
            for seed in range(PLACES):
                clients.enter_context(slow_client(pausing, STREAM.format(seed)))
            until(lambda: pausing.metric("sampler_paused_responses") == group * PLACES)  # noqa: B023 - called at once
        waited, got = timed(pausing, "/v1/batches?seed=99&step=0&batch_size=24&layout=dense")
        assert waited < 5 + 10 * alone
        assert got.content == body(server.url, "seed=99&step=0&batch_size=24&layout=dense")
        assert pausing.metric("sampler_arena_used_bytes") <= pausing.metric("sampler_arena_capacity_bytes")
        assert resident().rss - before < BUFFER + 5 * PLACES * 500_000


def test_a_single_batch_that_is_not_read_is_cut_in_the_end(pausing: LiveServer) -> None:
    with patient_client(pausing, SINGLE.format(3)) as client:
        until(lambda: " stalled" in pausing.log)
        until(lambda: pausing.metric("sampler_arena_used_bytes") == 0)
        with pytest.raises((ConnectionError, http.client.IncompleteRead)):
            begin_to_read(client).read()
    assert " stalled, paused " in pausing.log


def test_a_client_that_disconnects_in_a_pause_leaves_nothing_behind(pausing: LiveServer) -> None:
    with slow_client(pausing, STREAM.format(5)):
        until(lambda: pausing.metric("sampler_paused_responses") == 1)
        assert pausing.metric("sampler_requests_in_flight") == 0
    until(lambda: pausing.metric("sampler_paused_responses") == 0)
    until(lambda: pausing.metric("sampler_arena_used_bytes") == 0)
    assert pausing.metric("sampler_arena_pinned_bytes") == 0


def test_a_paused_stream_ends_with_a_batch_at_shutdown(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path, server: LiveServer
) -> None:
    annotations, images = scenes
    with (
        live_server(
            tmp_path, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, pause_seconds=PAUSE
        ) as ending,
        patient_client(ending, STREAM.format(6)) as client,
    ):
        until(lambda: ending.metric("sampler_paused_responses") == 1)
        ending.process.terminate()
        until(lambda: "shutting down" in ending.log)
        got = begin_to_read(client).read()
    spec = get_spec(server.url)
    steps = [batch.header.step for batch in BatchReader(spec.config, spec.categories, "dense").feed(got)]
    assert steps == list(range(len(steps)))
    assert got == reference(server, 6, len(steps))


def picture(server: LiveServer) -> bytes:
    return httpx.get(f"{server.url}/debug/samples/1.png", timeout=30).content


@pytest.mark.parametrize(
    "path", ["/debug/samples/1.png", "/v1/images?indices=1,2", "/explore/1", "/v1/spec", "/metrics"]
)
def test_other_responses_that_are_not_read_hold_no_place(pausing: LiveServer, path: str) -> None:
    with ExitStack() as clients:
        for _ in range(PLACES + 1):
            clients.enter_context(slow_client(pausing, path))
        until(lambda: pausing.metric("sampler_requests_in_flight") == 0)
        assert picture(pausing)[:4] == b"\x89PNG"
