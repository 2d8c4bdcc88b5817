"""The total time of a batch, and responses that only dribble."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from client import RequestRefusedError, ServerUnavailableError, loader
from client.protocol.retries import RetryHook
from client.transport.pace import MIN_BYTES, OutOfTimeError, Pace
from tests.support.client_twins import Make
from tests.support.loading import load, steps
from tests.support.raw_server import raw_server
from tests.support.scripted_server import Answer, Asked, Script, ScriptedServer, problem, scripted

STREAM: dict[str, Any] = {"seed": 3, "stop": 3, "batch_size": 3}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def dribble(server: ScriptedServer, released: threading.Event, step: int = 0, whole: int = 0) -> Script:
    """The honest answer: `whole` messages at once, the rest a byte at a time."""

    def script(asked: Asked) -> Answer:
        messages = [message for batch in server.batches(asked) for message in batch]

        def pieces() -> Iterator[bytes]:
            yield from messages[:whole]
            for byte in b"".join(messages[whole:]):
                if released.wait(0.05):
                    return
                yield bytes([byte])

        return Answer(pieces())

    return script


# --- the total time ---


def test_a_batch_that_is_late_says_what_has_arrived(
    server: ScriptedServer, make: Make, released: threading.Event
) -> None:
    client = make(server.url, batch_seconds=0.6)
    client.spec()
    server.script("/v1/batches", dribble(server, released, whole=3))
    begun = time.monotonic()
    with pytest.raises(ServerUnavailableError) as caught:
        client.batch(seed=3, step=7, batch_size=4)
    assert 0.5 < time.monotonic() - begun < 3
    message = str(caught.value)
    assert "no complete response in time: received 2 of 4 samples of the batch of step 7 (" in message
    assert "gave up after batch_seconds = 0.6" in message
    assert len(server.asked_at("/v1/batches")) == 1
    assert len(client.batch(seed=3, step=7, batch_size=4)) == 4


def test_the_time_is_that_of_all_attempts_and_the_last_cause_is_named(server: ScriptedServer, make: Make) -> None:
    client = make(server.url, attempts=1000, max_wait=0.1, batch_seconds=0.5)
    client.spec()
    server.script("/v1/batches", *[problem(503, "the queue is full")] * 1000)
    begun = time.monotonic()
    with pytest.raises(ServerUnavailableError, match=r"gave up after batch_seconds = 0\.5; .*the queue is full"):
        client.batch([3])
    assert 0.4 < time.monotonic() - begun < 3
    server.forget()


def test_a_server_that_is_away_runs_into_the_deadline(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(ServerUnavailableError, match="ConnectError"):
        make(f"http://127.0.0.1:{port}", attempts=1000, max_wait=5.0, batch_seconds=0.5).spec()
    assert time.monotonic() - begun < 3


def test_each_batch_of_a_stream_has_its_own_time_and_the_loop_does_not_count(
    server: ScriptedServer, make: Make, released: threading.Event
) -> None:
    client = make(server.url, batch_seconds=0.4)
    batches = client.stream(seed=3, stop=4, batch_size=3)
    for step in range(4):
        assert next(batches).step == step
        time.sleep(0.3)
    assert list(batches) == []


@pytest.mark.parametrize("path", ["/v1/spec", "/v1/images", "/readyz"])
def test_documents_have_the_same_limit(
    server: ScriptedServer, make: Make, released: threading.Event, path: str
) -> None:
    client = make(server.url, batch_seconds=0.4)
    if path == "/v1/images":
        client.spec()

    def late(_: Asked) -> Answer:
        released.wait(5)
        return Answer([b"{}"], headers={"Content-Type": "application/json"})

    server.script(path, late)
    begun = time.monotonic()
    if path == "/readyz":
        assert client.ready() is False
    else:
        with pytest.raises(ServerUnavailableError, match=r"received 0 bytes; gave up after batch_seconds = 0\.4"):
            client.spec() if path == "/v1/spec" else client.images([1])
    assert time.monotonic() - begun < 3


def test_after_the_deadline_a_loader_is_at_the_same_step(server: ScriptedServer, released: threading.Event) -> None:
    with load(server.url, batch_seconds=1.0, ahead=1, stop=3, layout="compact") as loaded:
        assert next(loaded).step == 0
        server.forget()
    with load(server.url, batch_seconds=1.0, ahead=1, stop=2, layout="compact") as loaded:
        loaded.spec()
        server.script("/v1/stream", dribble(server, released, whole=1))
        with pytest.raises(ServerUnavailableError, match=r"received 0 of . samples of the .*batch_seconds = 1\.0"):
            next(loaded)
        assert steps(loaded) == [0, 1]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "5", True])
def test_a_limit_that_is_no_time_is_refused(make: Make, seconds: object) -> None:
    with pytest.raises(RequestRefusedError, match="batch_seconds"):
        make("http://host", batch_seconds=seconds)
    with pytest.raises(RequestRefusedError, match="batch_seconds"):
        loader("http://host", seed=1, batch_size=2, batch_seconds=seconds)  # type: ignore[call-overload] # refused


def test_no_limit_is_a_limit(server: ScriptedServer, make: Make) -> None:
    assert len(make(server.url, batch_seconds=None).batch([3])) == 1
    with load(server.url, batch_seconds=None, stop=1, layout="compact") as loaded:
        assert steps(loaded) == [0]


# --- dribbles ---


@pytest.mark.parametrize("whole", [0, 2])
def test_a_connection_that_dribbles_is_given_up_for_another(
    server: ScriptedServer, make: Make, released: threading.Event, whole: int
) -> None:
    client = make(server.url, timeout=0.4)
    expected = client.batch([3, 5])
    server.script("/v1/batches", dribble(server, released, whole=whole))
    begun = time.monotonic()
    got = client.batch([3, 5])
    assert time.monotonic() - begun < 4
    assert got.images.tobytes() == expected.images.tobytes()
    assert len(server.asked_at("/v1/batches")) == 3


def test_a_dribble_through_any_transport_is_given_up(server: ScriptedServer, released: threading.Event) -> None:
    from client import SamplerClient

    with SamplerClient(server.url, transport=httpx.HTTPTransport(), timeout=0.4, max_wait=0.0) as client:
        client.spec()
        server.script("/v1/batches", dribble(server, released))
        assert len(client.batch([3, 5])) == 2


@pytest.mark.parametrize("what", ["head", "document"])
def test_a_head_or_document_that_dribbles_is_given_up(make: Make, released: threading.Event, what: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"

    def handler(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head if what == "document" else b"HTTP/1.1 200 OK\r\n")
        while not released.wait(0.05):
            connection.sendall(b"a")

    limits = httpx.Timeout(connect=0.2, read=0.3, write=0.2, pool=0.2)
    with raw_server(handler) as raw:
        client = make(f"http://127.0.0.1:{raw.port}", timeout=limits, attempts=2)
        begun = time.monotonic()
        with pytest.raises(ServerUnavailableError, match=r"ReadTimeout.*2 attempts"):
            client.spec()
        assert time.monotonic() - begun < 6


@pytest.mark.parametrize("limit", [300.0, None])
def test_the_end_of_a_response_is_not_waited_for_long(
    server: ScriptedServer, make: Make, released: threading.Event, limit: float | None
) -> None:
    def endless(asked: Asked) -> Answer:
        def pieces() -> Iterator[bytes]:
            for batch in server.batches(asked):
                yield from batch
            released.wait(10)

        return Answer(pieces())

    server.script("/v1/batches", endless)
    server.script("/v1/stream", endless)
    client = make(server.url, batch_seconds=limit)
    begun = time.monotonic()
    assert len(client.batch([3])) == 1
    assert [batch.step for batch in client.stream(**STREAM)] == [0, 1, 2]
    assert time.monotonic() - begun < 4


# --- the clock alone ---


def test_few_bytes_within_the_read_timeout_are_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("client.transport.pace.monotonic", lambda: now[0])
    pace = Pace(300.0, 60.0)
    pace.received(100)  # a header
    now[0] = 59.0
    pace.received(MIN_BYTES)  # a sample that took its time
    for _ in range(31):
        now[0] += 2.0
        if now[0] > 59.0 + 62.0:
            break
        pace.received(1)
    now[0] = 59.0 + 2.0 + 60.5
    with pytest.raises(TimeoutError, match=r"only \d+ bytes within"):
        pace.received(1)


def test_waits_end_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("client.transport.pace.monotonic", lambda: now[0])
    pace = Pace(300.0, 60.0)
    assert pace.wait() == 60.0
    now[0] = 290.0
    assert pace.wait() == 10.0
    assert pace.attempt(httpx.Timeout(60.0, connect=5.0)).as_dict() == {
        "connect": 5.0, "read": 10.0, "write": 10.0, "pool": 10.0,
    }  # fmt: skip
    now[0] = 300.0
    with pytest.raises(OutOfTimeError):
        pace.wait()
    pace.begin()
    assert (pace.wait(), pace.left) == (60.0, 300.0)
    assert Pace(None).wait() is None


def test_waits_between_attempts_end_at_the_deadline() -> None:
    hook = RetryHook(10, 5.0, lambda: 0.3)
    assert hook(ServerUnavailableError("later", retry_after=3600)) == 0.3
    assert hook(ServerUnavailableError("away")) == 0.3
    assert RetryHook(10, 5.0, lambda: 0.0)(ServerUnavailableError("away")) is False
