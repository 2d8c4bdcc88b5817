"""Servers that are absent, busy, broken or changed: retries and errors of both clients."""

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from email.utils import formatdate
from itertools import islice
from typing import Any

import httpx
import pytest

import client as client_package
from client import (
    AsyncSamplerClient,
    Batch,
    ClientError,
    DigestMismatchError,
    ProtocolError,
    RequestRefusedError,
    SampleError,
    SamplerClient,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from client.protocol.exchange import retry_after
from client.protocol.retries import RetryHook
from sampler.wire.messages import encode_error
from tests.support.client_twins import Make
from tests.support.scripted_server import Answer, Asked, Script, ScriptedServer, problem, scripted
from tests.support.system_faults import no_descriptors

STREAM: dict[str, Any] = {"seed": 3, "stop": 4, "batch_size": 3}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def broken(server: ScriptedServer, messages: int, ending: str) -> Script:
    """The first messages of the honest answer (5 a batch), and half of the next; then the end."""

    def script(asked: Asked) -> Answer:
        every = (message for batch in server.batches(asked) for message in batch)
        pieces = list(islice(every, messages + 1))
        return Answer([*pieces[:messages], pieces[messages][: len(pieces[messages]) // 2]], ending=ending)

    return script


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def steps(batches: Iterator[Batch]) -> list[int | None]:
    return [batch.step for batch in batches]


# --- a stream that breaks ---


@pytest.mark.parametrize("ending", ["cut", "whole"])
@pytest.mark.parametrize("messages", [0, 1, 3, 4, 5, 7, 12])
def test_a_broken_stream_resumes_at_the_next_step(
    server: ScriptedServer, make: Make, messages: int, ending: str
) -> None:
    client = make(server.url)
    whole = list(client.stream(**STREAM))
    server.script("/v1/stream", broken(server, messages, ending))
    again = list(client.stream(**STREAM))
    assert steps(iter(again)) == [0, 1, 2, 3]
    for one, other in zip(whole, again, strict=True):
        assert one.keys == other.keys
        assert all(one.arrays[name].tobytes() == array.tobytes() for name, array in other.arrays.items())
    starts = [asked.integer("start") for asked in server.asked_at("/v1/stream")]
    assert starts == [0, 0, messages // 5]


def test_a_stream_survives_a_reset_connection(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/stream", broken(server, 7, "reset"))
    assert steps(make(server.url).stream(**STREAM)) == [0, 1, 2, 3]


def test_a_stream_that_ends_before_its_stop_is_resumed(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/stream", *[lambda asked: Answer(server.messages(asked, asked.integer("start")))] * 3)
    assert steps(make(server.url).stream(**STREAM)) == [0, 1, 2, 3]
    assert len(server.asked_at("/v1/stream")) == 4


def test_each_batch_has_its_own_attempts(server: ScriptedServer, make: Make) -> None:
    every = [broken(server, 3, "cut"), broken(server, 8, "cut"), broken(server, 8, "cut"), broken(server, 8, "cut")]
    server.script("/v1/stream", *every)
    assert steps(make(server.url, attempts=2).stream(**STREAM)) == [0, 1, 2, 3]


def test_a_stream_that_breaks_each_time_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/stream", *[broken(server, 6, "cut")] + [broken(server, 1, "cut")] * 3)
    batches = make(server.url).stream(**STREAM)
    assert next(batches).step == 0
    with pytest.raises(TransferError, match=r"/v1/stream: .*3 attempts") as caught:
        next(batches)
    assert isinstance(caught.value, ProtocolError)
    assert steps(batches) == []


def test_a_truncated_batch_is_requested_again(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", broken(server, 2, "cut"), broken(server, 0, "whole"))
    assert len(make(server.url).batch([3, 5])) == 2
    assert len(server.asked_at("/v1/batches")) == 3


def test_a_break_after_the_last_batch_is_ignored(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", lambda asked: Answer(next(server.batches(asked)), ending="cut"))
    assert len(make(server.url).batch([3, 5])) == 2
    assert len(server.asked_at("/v1/batches")) == 1


# --- a server that is away, or busy ---


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_server_that_cannot_be_reached_is_unavailable(make: Make) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ServerUnavailableError, match=r"GET http://.*/v1/spec: ConnectError.*3 attempts") as caught:
        client.batch([3])
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert not client.ready()


def test_a_client_without_descriptors_names_the_limit_and_not_the_server(make: Make) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ServerUnavailableError, match="a server that runs"):
        client.spec()  # imports everything that a failure needs
    with no_descriptors(), pytest.raises(ServerUnavailableError, match="Too many open files") as caught:
        client.spec()
    assert "raise the limit (ulimit -n" in str(caught.value)
    assert "a server that runs" not in str(caught.value)


def test_a_spec_that_breaks_off_is_requested_again_and_never_lacks_a_trailer(
    server: ScriptedServer, make: Make
) -> None:
    truncated = Answer([b'{"protocol": '], headers={"Content-Type": "application/json"}, ending="cut")
    server.script("/v1/spec", *[truncated] * 4)
    with pytest.raises(ServerUnavailableError, match="/v1/spec") as caught:
        make(server.url).spec()
    assert "trailer" not in str(caught.value)
    assert make(server.url).spec().size == server.spec.size


def test_a_server_that_starts_late_is_waited_for(make: Make) -> None:
    port = free_port()
    started: list[ScriptedServer] = []
    timer = threading.Timer(0.3, lambda: started.append(ScriptedServer(port=port)))
    timer.start()
    try:
        assert len(make(f"http://127.0.0.1:{port}", attempts=100, max_wait=0.05).batch([3])) == 1
    finally:
        timer.join()
        for server in started:
            server.close()


def test_a_stream_survives_a_restart_of_the_server(make: Make) -> None:
    first = ScriptedServer()
    client = make(first.url, attempts=100, max_wait=0.05)
    batches = client.stream(seed=3, batch_size=3)
    assert steps(islice(batches, 3)) == [0, 1, 2]
    first.close()
    with scripted(port=first.port):
        got = steps(islice(batches, 40))
    assert got == list(range(3, 43))
    batches.close()


def test_503_is_retried_after_the_requested_wait(server: ScriptedServer, make: Make) -> None:
    client = make(server.url, max_wait=5.0)
    client.spec()
    server.script("/v1/batches", problem(503, "the queue is full", {"Retry-After": "1"}))
    started = time.monotonic()
    client.batch([3])
    assert 1.0 <= time.monotonic() - started < 3.0


def test_503_each_time_raises_the_message_of_the_server(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    server.script("/v1/batches", *[problem(503, "the queue is full", {"Retry-After": "7"})] * 3)
    with pytest.raises(
        ServerUnavailableError, match=r"status 503: the queue is full \(request id .*, 3 attempts\)"
    ) as caught:
        client.batch([3])
    assert caught.value.retry_after == 7
    assert caught.value.attempts == 3


@pytest.mark.parametrize("status", [408, 429, 502, 504])
def test_temporary_statuses_are_retried(server: ScriptedServer, make: Make, status: int) -> None:
    plain = Answer([b"<html>not now"], status, {"Content-Type": "text/html"})
    server.script("/v1/spec", plain)
    server.script("/v1/batches", plain)
    assert len(make(server.url).batch([3])) == 1


def test_a_stream_survives_a_shutdown_of_the_server(server: ScriptedServer, make: Make) -> None:
    def leave(asked: Asked) -> Answer:
        farewell = {"type": "urn:test", "title": "shutting down", "status": 503, "detail": "shutting down"}
        return Answer([*server.messages(asked, 0), encode_error(farewell)])

    server.script("/v1/stream", leave)
    assert steps(make(server.url).stream(**STREAM)) == [0, 1, 2, 3]


def test_a_server_that_is_silent_runs_into_the_read_timeout(server: ScriptedServer, make: Make) -> None:
    released = threading.Event()

    def silence(asked: Asked) -> Answer:
        def pieces() -> Iterator[bytes]:
            yield server.messages(asked, None)[0]
            released.wait(10)

        return Answer(pieces())

    server.script("/v1/batches", *[silence] * 2)
    try:
        with pytest.raises(ServerUnavailableError, match=r"ReadTimeout.*2 attempts"):
            make(server.url, attempts=2, timeout=0.2).batch([3])
    finally:
        released.set()


def test_ready_is_false_while_the_server_is_not(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    server.script("/readyz", problem(503, "starting"))
    assert [client.ready(), client.ready()] == [False, True]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3.0), (" 0 ", 0.0), ("soon", None), ("-1", None), ("1.5", None),
     (formatdate(1000, usegmt=True), 10.0), (formatdate(900, usegmt=True), 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, 990.0) == seconds


def test_a_requested_wait_is_limited_to_max_wait() -> None:
    hook = RetryHook(4, 5.0)
    assert hook(ServerUnavailableError("later", retry_after=3600)) == 5.0
    assert hook(ServerUnavailableError("later")) is True
    assert hook(TransferError("cut")) is True
    assert hook(ProtocolError("wrong")) is False
    assert hook(ValueError("a fault of ours")) is False


# --- a server that refuses, fails, or has changed ---


def test_422_names_field_value_and_expectation(server: ScriptedServer, make: Make) -> None:
    rows = [{"field": "indices", "value": 12, "expected": "0 to 9"}]
    server.script("/v1/batches", problem(422, "indices = 12: expected 0 to 9", errors=rows))
    with pytest.raises(
        RequestRefusedError, match=r"GET .*status 422: indices = 12: expected 0 to 9 \(request id"
    ) as caught:
        make(server.url).batch([12])
    assert caught.value.errors == rows
    assert caught.value.problem["status"] == 422
    assert len(server.asked_at("/v1/batches")) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_other_refusals_are_not_retried(server: ScriptedServer, make: Make, status: int) -> None:
    server.script("/v1/spec", Answer([b"no\nway"], status, {"Content-Type": "text/plain"}))
    with pytest.raises(RequestRefusedError, match=f"/v1/spec: status {status}: no way") as caught:
        make(server.url).spec()
    assert caught.value.errors == []


@pytest.mark.parametrize("body", [b"[1]", b"{", b""])
def test_an_invalid_problem_document_is_reported_by_its_status(server: ScriptedServer, make: Make, body: bytes) -> None:
    server.script("/v1/spec", Answer([body], 500, {"Content-Type": "application/problem+json"}))
    with pytest.raises(ServerError, match="status 500"):
        make(server.url).spec()


def test_a_redirect_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/spec", Answer([], 302, {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(ProtocolError, match="status 302: expected 200"):
        make(server.url).spec()


def test_a_failed_sample_names_index_and_file(server: ScriptedServer, make: Make) -> None:
    def fail(asked: Asked) -> Answer:
        what = {"type": "urn:image", "title": "image", "status": 500, "detail": "image 3 (a.jpg): missing",
                "index": 3, "file": "a.jpg"}  # fmt: skip
        return Answer([*server.messages(asked, 0), *server.messages(asked, 1)[:2], encode_error(what)])

    server.script("/v1/stream", fail)
    client = make(server.url)
    batches = client.stream(**STREAM)
    assert next(batches).step == 0
    with pytest.raises(SampleError, match=r"image 3 \(a.jpg\): missing") as caught:
        next(batches)
    assert (caught.value.index, caught.value.file, caught.value.step) == (3, "a.jpg", 1)
    assert caught.value.request_id is not None
    assert len(server.asked_at("/v1/stream")) == 1
    assert steps(client.stream(**STREAM | {"start": 2})) == [2, 3]


def test_a_sample_error_may_lack_index_and_file(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", Answer([encode_error({"title": "worker"})]))
    with pytest.raises(SampleError, match="worker") as caught:
        make(server.url).batch([3])
    assert (caught.value.index, caught.value.file, caught.value.step) == (None, None, None)


def test_a_server_whose_digest_changes_is_refused(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    client.batch([3])
    server.spec = replace(server.spec, digest="d2")
    with pytest.raises(DigestMismatchError, match="status 412") as caught:
        client.batch([3])
    assert (caught.value.expected, caught.value.actual) == ("d1", "d2")


def test_a_server_that_restarts_with_another_digest_ends_the_stream(make: Make) -> None:
    first = ScriptedServer()
    batches = make(first.url, attempts=100, max_wait=0.05).stream(seed=3, batch_size=3)
    assert next(batches).step == 0
    first.close()
    with scripted(digest="d2", port=first.port), pytest.raises(DigestMismatchError) as caught:
        steps(batches)
    assert (caught.value.expected, caught.value.actual) == ("d1", "d2")


# --- connections ---


def test_breaking_out_of_a_stream_releases_its_connection(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as client:
        for batch in client.stream(seed=3, batch_size=3):
            assert batch.step == 0
            break
        assert eventually(lambda: server.open_connections == 0)


def test_closing_a_stream_releases_its_connection(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    batches = client.stream(seed=3, batch_size=3)
    next(batches)
    assert server.open_connections == 1
    batches.close()
    assert eventually(lambda: server.open_connections == 0)


def test_breaking_out_of_an_async_stream_releases_its_connection(server: ScriptedServer) -> None:
    async def leave_early() -> None:
        async with AsyncSamplerClient(server.url) as client:
            async for batch in client.stream(seed=3, batch_size=3):
                assert batch.step == 0
                break
            assert await asyncio.to_thread(eventually, lambda: server.open_connections == 0)

    asyncio.run(leave_early())


def test_cancelling_a_task_releases_its_connection(server: ScriptedServer) -> None:
    async def read(client: AsyncSamplerClient, first: asyncio.Event) -> None:
        async with aclosing(client.stream(seed=3, batch_size=3)) as batches:
            async for _ in batches:
                first.set()

    async def cancel() -> None:
        async with AsyncSamplerClient(server.url) as client:
            first = asyncio.Event()
            task = asyncio.create_task(read(client, first))
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(eventually, lambda: server.open_connections == 0)

    asyncio.run(cancel())


def test_concurrent_async_batches_do_not_mix(server: ScriptedServer) -> None:
    async def gather() -> list[Batch]:
        async with AsyncSamplerClient(server.url) as client:
            return await asyncio.gather(*(client.batch([index], seed=index) for index in range(10)))

    assert [batch.keys[0].index for batch in asyncio.run(gather())] == list(range(10))


def test_batches_share_one_connection(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    for _ in range(5):
        client.batch([3])
        assert server.open_connections == 1
    assert len(list(client.stream(**STREAM))) == 4
    assert server.open_connections == 1


def test_a_stream_of_a_closed_client_raises_at_once(server: ScriptedServer, make: Make) -> None:
    used = make(server.url)
    batches = used.stream(**STREAM)
    next(batches)
    used.close()
    with pytest.raises(ClientError) as caught:
        next(batches)
    assert str(caught.value) == "the client is closed: make a new one"  # in the first attempt


def test_a_closed_client_raises(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    batches = client.stream(seed=3, batch_size=3)
    next(batches)
    client.close()
    with pytest.raises(ClientError):
        steps(batches)
    with pytest.raises(ClientError, match="the client is closed"):
        client.batch([3])


# --- completeness ---


def httpx_errors() -> list[type[Exception]]:
    kinds = [kind for _, kind in inspect.getmembers(httpx, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, Exception)]


def instance(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    error.args = ("a reason",)
    vars(error).setdefault("_request", None)
    return error


class Raising(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that fails in a given way; stands for all that a real one may meet."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def handle_request(self, _: httpx.Request) -> httpx.Response:
        raise instance(self.kind)

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        raise instance(self.kind)


@pytest.mark.parametrize("kind", httpx_errors(), ids=lambda kind: kind.__name__)
def test_no_error_of_httpx_escapes(make: Make, kind: type[Exception]) -> None:
    client = make("http://host", transport=Raising(kind))
    with pytest.raises(ClientError, match="GET http://host/v1/spec"):
        client.spec()
    with pytest.raises(ClientError):
        client.batch([3])


def test_every_error_of_the_package_is_a_client_error() -> None:
    named = [getattr(client_package, name) for name in client_package.__all__ if name.endswith("Error")]
    assert len(named) == 9
    assert all(issubclass(kind, ClientError) for kind in named)
