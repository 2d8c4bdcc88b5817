"""Servers that send more than a client needs, or in another form: memory and time stay bounded."""

import gzip
import json
import pickle
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from client import (
    ClientError,
    DigestMismatchError,
    ProtocolError,
    SamplerClient,
    ServerError,
    ServerUnavailableError,
    TransferError,
)
from sampler.wire.messages import Header, encode_error, encode_header
from tests.support.client_twins import AnyClient, Make
from tests.support.raw_server import always, raw_server
from tests.support.scripted_server import Answer, Asked, ScriptedServer, scripted, sealed

JSON = "application/json"
PROBLEM = "application/problem+json"
STREAM: dict[str, Any] = {"seed": 3, "stop": 2, "batch_size": 3}

BOMB = gzip.compress(gzip.compress(gzip.compress(bytes(1 << 26), 9), 9), 9)
"""64 MB of zeros, three times compressed."""

CODINGS = {
    "gzip": gzip.compress(b"{}"),
    "GZip": gzip.compress(b"{}"),
    "deflate": zlib.compress(b"{}"),
    "br": b"\x0b\x01\x80{}\x03",
    "zstd": b"(\xb5/\xfd\x04",
    "gzip, gzip, gzip": BOMB,
    "identity, gzip": gzip.compress(b"{}"),
    "made-up": b"{}",
}

CALLS: dict[str, Callable[[AnyClient], object]] = {
    "/v1/spec": lambda client: client.spec(),
    "/v1/images": lambda client: client.images([1]),
    "/v1/batches": lambda client: client.batch([1]),
    "/v1/stream": lambda client: list(client.stream(**STREAM)),
    "/readyz": lambda client: client.ready(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture(autouse=True)
def honest(server: ScriptedServer) -> None:
    server.forget()


def over_any_transport(make: Make, server: ScriptedServer, patch: pytest.MonkeyPatch) -> Iterator[AnyClient]:
    yield make(server.url)
    sync = isinstance(make(server.url), SamplerClient)
    yield make(server.url, transport=httpx.HTTPTransport() if sync else httpx.AsyncHTTPTransport())
    patch.setenv("HTTP_PROXY", server.url)
    yield make("http://cpu-host:8000")


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("coding", CODINGS)
def test_a_content_coding_is_a_protocol_error_before_anything_is_decoded(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch, coding: str, path: str
) -> None:
    kind = "application/x-msgpack" if path in ("/v1/batches", "/v1/stream") else JSON
    coded = Answer([CODINGS[coding]], headers={"Content-Type": kind, "Content-Encoding": coding})
    for client in over_any_transport(make, server, monkeypatch):
        client.spec() if path != "/v1/spec" else None
        server.script(path, coded)
        tracemalloc.start()
        with pytest.raises(ProtocolError, match=f"content coding {coding.lower()}: expected none"):
            CALLS[path](client)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()


@pytest.mark.parametrize("status", [200, 302, 404, 422, 500])
def test_a_content_coding_of_an_error_is_a_protocol_error(server: ScriptedServer, make: Make, status: int) -> None:
    server.script("/v1/spec", Answer([BOMB], status, {"Content-Type": PROBLEM, "Content-Encoding": "gzip"}))
    with pytest.raises(ProtocolError, match=f"status {status}, content coding gzip"):
        make(server.url).spec()


def test_a_busy_server_behind_a_proxy_that_compresses_is_tried_again(server: ScriptedServer, make: Make) -> None:
    busy = Answer([gzip.compress(b"busy")], 503, {"Content-Type": "text/html", "Content-Encoding": "gzip"})
    server.script("/v1/spec", busy, busy)
    assert make(server.url).spec().size == server.spec.size
    server.script("/readyz", busy)
    assert make(server.url).ready() is False
    server.script("/v1/spec", *[busy] * 3)
    with pytest.raises(TransferError, match=r"content coding gzip.*3 attempts"):
        make(server.url).spec()


def test_identity_is_no_coding(server: ScriptedServer, make: Make) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": "Identity"}
    server.script("/v1/spec", Answer([json.dumps(server.spec.as_dict()).encode()], headers=headers))
    assert make(server.url).spec().size == server.spec.size


def test_an_endless_error_is_cut_and_reported_by_its_status(server: ScriptedServer, make: Make) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(4096):
            yield b"x" * (1 << 20)

    server.script("/v1/spec", Answer(endless(), 500, {"Content-Type": PROBLEM}))
    client = make(server.url)
    tracemalloc.start()
    with pytest.raises(ServerError, match="status 500: xxx") as caught:
        client.spec()
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    assert len(str(caught.value)) < 2000


def test_texts_of_a_server_are_short_single_lines_in_messages(server: ScriptedServer, make: Make) -> None:
    long = "a\r\nWARNING forged \x1b[31m" + "b" * 500_000
    body = json.dumps({"detail": long, "status": 500}).encode()
    server.script("/v1/spec", Answer([body], 500, {"Content-Type": PROBLEM, "X-Request-Id": "r" * 5000}))
    with pytest.raises(ServerError) as caught:
        make(server.url).spec()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("digest", ["a\r\nWARNING forged", "b" * 900_000], ids=["lines", "long"])
def test_the_digest_of_a_batch_is_a_short_single_line_in_messages(
    server: ScriptedServer, make: Make, digest: str
) -> None:
    def other(asked: Asked) -> Answer:
        _, *samples, _ = server.messages(asked, None)
        return Answer(sealed([encode_header(Header(digest, asked.params["layout"], True, 2, None)), *samples]))

    server.script("/v1/batches", other)
    with pytest.raises(DigestMismatchError) as caught:
        make(server.url).batch([3, 5])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("depth", [500, 900, 1020])
@pytest.mark.parametrize("member", ["detail", "type", "errors", "expected"])
def test_an_error_of_any_depth_can_be_shown_and_pickled(
    server: ScriptedServer, make: Make, member: str, depth: int
) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    remote = Answer([encode_error({"status": 500, member: value})])
    text = b'{"status": %d, "%s": ' + b"[" * depth + b"]" * depth + b"}"
    refusals = [
        Answer([text % (status, member.encode())], status, {"Content-Type": PROBLEM}) for status in (404, 412, 500)
    ]
    client = make(server.url)
    for answer in (remote, *refusals):
        server.script("/v1/batches", answer)
        with pytest.raises(ClientError) as caught:
            client.batch([3, 5])
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK" + b" " * 2_000_000,
    ],
    ids=["many", "long", "reason"],
)
def test_a_head_without_bounds_is_an_error(make: Make, head: bytes) -> None:
    with raw_server(always(head, end=True)) as raw:
        client = make(f"http://127.0.0.1:{raw.port}", attempts=1)
        tracemalloc.start()
        with pytest.raises(ServerUnavailableError, match="RemoteProtocolError"):
            client.spec()
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
        tracemalloc.stop()


def test_a_body_in_chunks_of_one_byte_is_read_in_bounded_time(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    expected = client.batch([3, 5]).images.tobytes()

    def crumbs(asked: Any) -> Answer:
        [messages] = server.batches(asked)
        framed = b"".join(b"1\r\n%c\r\n" % byte for byte in b"".join(messages))
        return Answer([], headers={"Content-Type": "application/x-msgpack", "X-Body": "crumbs"}, raw=framed)

    server.script("/v1/batches", crumbs)
    begun = time.monotonic()
    assert client.batch([3, 5]).images.tobytes() == expected
    assert time.monotonic() - begun < 10


def test_cookies_are_not_kept(server: ScriptedServer, make: Make) -> None:
    body = json.dumps(server.spec.as_dict()).encode()
    server.script("/v1/spec", Answer([body], headers={"Content-Type": JSON, "Set-Cookie": "a=" + "b" * 4000}))
    client = make(server.url)
    client.spec()
    client.batch([1])
    assert "cookie" not in server.asked[-1].headers


def test_every_refused_response_releases_its_connection(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    for _ in range(5):
        server.script("/v1/spec", Answer([b"x"] * 10, headers={"Content-Type": JSON, "Content-Encoding": "gzip"}))
        with pytest.raises(ClientError):
            client.spec()
    deadline = time.monotonic() + 5
    while server.open_connections > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.open_connections <= 1
