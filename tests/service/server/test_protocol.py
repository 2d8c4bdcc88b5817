"""What a server does with clients that send too much, too slowly, or nothing; over real sockets."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.metrics import Metrics
from service.server.connections import ConnectionLimits, Connections
from service.server.protocol import LimitedProtocol
from service.server.refusals import MAX_HEAD, MAX_HEADERS, MAX_URL
from tests.support.live_server import LiveServer, live_server, until

HEAD_SECONDS = 1.0
IDLE_SECONDS = 1.5
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def limited(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("limited"), annotations=annotations, images=images, cache_dir=cache_dir, workers=1,
        header_seconds=HEAD_SECONDS, idle_seconds=IDLE_SECONDS, max_connections=8,
    ) as server:  # fmt: skip
        yield server


def connect(server: LiveServer) -> socket.socket:
    port = httpx.URL(server.url).port
    assert port is not None
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(20)
    return connection


def received(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def answer(server: LiveServer, *pieces: bytes) -> tuple[int, str, float]:
    """Status and problem of the response to some bytes, and the seconds until the connection was closed."""
    with connect(server) as connection:
        began = time.monotonic()
        for piece in pieces:
            connection.sendall(piece)
        head, _, body = received(connection).partition(b"\r\n\r\n")
        kind = json.loads(body).get("type", "").rpartition(":")[2] if body.startswith(b"{") else ""
        status = int(head.split()[1]) if head else 0
        assert not head or b"connection: close" in head
        return status, kind, time.monotonic() - began


@pytest.mark.parametrize(
    ("request_bytes", "status", "kind"),
    [
        (HEAD + b"A: " + b"a" * MAX_HEAD, 431, "head-too-large"),
        (HEAD + b"A" * MAX_HEAD, 431, "head-too-large"),
        (HEAD + b"A: " + b"a" * MAX_HEAD + b"\r\n\r\n", 431, "head-too-large"),
        (HEAD + b"A: b\r\n" * MAX_HEADERS + b"\r\n", 431, "head-too-large"),
        (b"\r\n" * MAX_HEAD, 431, "head-too-large"),
        (b"GET /" + b"a" * MAX_URL + b" HTTP/1.1\r\n\r\n", 414, "url-too-long"),
        (b"this is no HTTP\r\n\r\n", 400, "malformed-request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "malformed-request"),
    ],
    ids=["value", "name", "complete", "number", "empty lines", "url", "garbage", "tls"],
)
def test_a_head_that_is_too_large_or_malformed_is_refused_at_once(
    limited: LiveServer, request_bytes: bytes, status: int, kind: str
) -> None:
    code, problem, seconds = answer(limited, request_bytes)
    assert (code, problem) == (status, kind)
    assert seconds < HEAD_SECONDS


def test_a_large_head_below_the_limits_is_accepted(limited: LiveServer) -> None:
    headers = {f"x-{number}": "v" * 600 for number in range(MAX_HEADERS - 10)}
    assert httpx.get(f"{limited.url}/healthz", headers=headers).status_code == 200
    assert httpx.get(f"{limited.url}/healthz?{'a' * (MAX_URL - 100)}").status_code == 200


def test_a_body_may_be_larger_than_a_head(limited: LiveServer) -> None:
    response = httpx.post(
        f"{limited.url}/v1/batches", content=b" " * (5 * MAX_HEAD), headers={"content-type": "application/json"}
    )
    assert response.status_code == 422


def test_an_endless_trailer_or_chunk_extension_is_refused(limited: LiveServer) -> None:
    start = b"POST /v1/batches HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for rest in (b"1\r\n{\r\n0\r\nA: ", b"1;a="):
        with connect(limited) as connection:
            connection.sendall(start + rest)
            began = time.monotonic()
            try:
                for _ in range(200):
                    connection.sendall(b"b" * MAX_HEAD)
            except ConnectionError:
                pass
            else:
                pytest.fail("13 MB of a trailer were accepted")
            assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("pieces", "status"), [((), 0), ((HEAD,), 408), ((b"GET",), 408)], ids=["nothing", "a part", "a word"]
)
def test_a_head_that_does_not_arrive_in_time_ends_the_connection(
    limited: LiveServer, pieces: tuple[bytes, ...], status: int
) -> None:
    code, _, seconds = answer(limited, *pieces)
    assert code == status
    assert HEAD_SECONDS - 0.1 < seconds < HEAD_SECONDS + 1.5


def test_a_head_that_trickles_in_has_no_more_time(limited: LiveServer) -> None:
    with connect(limited) as connection:
        began = time.monotonic()
        with suppress(ConnectionError):
            for byte in HEAD * 10:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
            pytest.fail("the connection stayed open")
        assert time.monotonic() - began < HEAD_SECONDS + 3


def test_the_second_head_of_a_connection_has_the_same_time(limited: LiveServer) -> None:
    with connect(limited) as connection:
        connection.sendall(HEAD + b"\r\n")
        time.sleep(0.5)
        began = time.monotonic()
        connection.sendall(HEAD)
        assert b"HTTP/1.1 408" in received(connection)
        assert HEAD_SECONDS - 0.1 < time.monotonic() - began < HEAD_SECONDS + 1.5


def test_an_idle_connection_is_closed_after_its_time(limited: LiveServer) -> None:
    with connect(limited) as connection:
        connection.sendall(HEAD + b"\r\n")
        began = time.monotonic()
        assert received(connection).startswith(b"HTTP/1.1 200")
        assert IDLE_SECONDS - 0.2 < time.monotonic() - began < IDLE_SECONDS + 1


def test_a_body_that_nobody_needs_must_end_in_time(limited: LiveServer) -> None:
    with connect(limited) as connection:
        connection.sendall(b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\n\r\n{")
        began = time.monotonic()
        assert received(connection).startswith(b"HTTP/1.1 405")
        assert time.monotonic() - began < HEAD_SECONDS + 2


def test_pipelined_requests_get_their_responses_in_order(limited: LiveServer) -> None:
    paths = (b"/healthz", b"/nowhere", b"/readyz")
    with connect(limited) as connection:
        connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path for path in paths))
        statuses = [int(part[:3]) for part in received(connection).split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200]


def test_the_body_of_a_request_for_another_protocol_is_not_the_next_request(limited: LiveServer) -> None:
    body = HEAD + b"\r\n"
    head = b"POST /v1/batches HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with connect(limited) as connection:
        # At once: bytes that arrive after the server has closed the connection would reset it.
        upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + upgrade + body)
        assert received(connection).count(b"HTTP/1.1 ") == 1


def test_a_long_queue_of_pipelined_requests_ends_the_connection(limited: LiveServer) -> None:
    with connect(limited) as connection:
        connection.sendall((HEAD + b"\r\n") * 500)
        try:
            got = received(connection)
        except ConnectionError:
            got = b""
    assert got.count(b"HTTP/1.1 200") < 20


def test_more_connections_than_allowed_close_the_oldest_and_serve_the_newest(limited: LiveServer) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(limited)) for _ in range(30)]
        began = time.monotonic()
        assert httpx.get(f"{limited.url}/healthz").status_code == 200
        assert time.monotonic() - began < HEAD_SECONDS
        assert received(held[0]) == b""
    until(lambda: limited.metric("sampler_connections") <= 2)
    assert limited.metric('sampler_connections_closed_total{limit="evicted"}') >= 22


def test_a_new_connection_is_refused_while_all_others_have_requests(limited: LiveServer) -> None:
    stream = b"GET /v1/stream?batch_size=64&layout=dense HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(connect(limited))
            connection.sendall(stream)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        with connect(limited) as late:
            head = received(late)
        assert head.startswith(b"HTTP/1.1 503")
        assert b"\r\nretry-after: " in head
        assert b":overloaded" in head
    until(lambda: _health(limited) == 200)


def _health(server: LiveServer) -> int:
    try:
        return httpx.get(f"{server.url}/healthz").status_code
    except httpx.TransportError:
        return 0


def test_our_attributes_are_not_those_of_uvicorn_and_its_own_exist() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    config = Config(app, lifespan="off")
    table = Connections(ConnectionLimits(1, 1, 1, 1, 1), Metrics())
    loop = asyncio.new_event_loop()
    try:
        theirs = vars(HttpToolsProtocol(config, ServerState(), {}, loop))
        ours = vars(LimitedProtocol(table, config, ServerState(), {}, loop)).keys() - theirs.keys()
    finally:
        loop.close()
    expected = {
        "_table", "_pending", "_head_size", "_header_count", "_in_head", "_resting", "_begun", "_refused", "_refusal",
        "_stalled_since",
    }  # fmt: skip
    assert ours == expected
    assert not expected & set(dir(HttpToolsProtocol))
    used = {"cycle", "pipeline", "flow", "transport", "client", "server_state", "timeout_keep_alive"}
    assert used <= theirs.keys()
    handlers = {"send_400_response", "on_response_complete", "timeout_keep_alive_handler", "on_message_begin"}
    assert handlers <= vars(HttpToolsProtocol).keys()
