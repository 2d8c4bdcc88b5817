"""The head of an answer, as servers write it and as they should not."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.transport.http_transport import DirectTransport
from client.transport.inflow import LONGEST_HEAD, Inflow
from client.transport.response_head import MOST_HEADERS, parse_head
from tests.support.raw_server import CHUNKED, always, raw_server, with_length

OK = b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("lines", "chunked", "length", "keeps"),
    [
        ([OK], False, None, False),
        ([OK, b"content-length: 12"], False, 12, True),
        ([OK, b"Content-Length: 12, 12"], False, 12, True),
        ([OK, b"Content-Length:12", b"content-length:  12  "], False, 12, True),
        ([OK, b"Content-Length: 12", b"Connection: Close"], False, 12, False),
        ([OK, b"Content-Length: 12", b"Connection: x, close"], False, 12, False),
        ([OK, b"Transfer-Encoding: Chunked"], True, None, True),
        ([OK, b"Transfer-Encoding: chunked", b"Content-Length: 12"], True, None, True),
        ([b"HTTP/1.0 200 OK", b"Content-Length: 12"], False, 12, False),
        ([b"HTTP/1.0 200 OK", b"Content-Length: 12", b"Connection: keep-alive"], False, 12, True),
        ([b"HTTP/1.1 204"], False, 0, True),
        ([b"HTTP/1.1 304 Not Modified", b"Content-Length: 12"], False, 0, True),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_head_says_where_the_body_ends_and_whether_another_answer_may_follow(
    lines: list[bytes], chunked: bool, length: int | None, keeps: bool, end: bytes
) -> None:
    head = parse_head(end.join(lines), "GET")
    assert (head.chunked, head.length, head.keeps) == (chunked, length, keeps)


def test_an_answer_to_head_has_no_body() -> None:
    head = parse_head(OK + b"\r\nContent-Length: 12", "HEAD")
    assert (head.status, head.reason, head.length, head.keeps) == (200, b"OK", 0, True)


def test_headers_keep_their_order_and_a_line_may_go_on() -> None:
    head = parse_head(OK + b"\r\nA: b\r\na:\tc d \r\nLong: one\r\n  two\r\nEmpty:", "GET")
    assert head.headers == [(b"A", b"b"), (b"a", b"c d"), (b"Long", b"one two"), (b"Empty", b"")]


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"", "expected a status line"),
        (b"SSH-2.0-x", "expected a status line"),
        (b"HTTP/2.0 200 OK", "expected a status line"),
        (b"HTTP/1.1 20 OK", "expected a status line"),
        (b"HTTP/1.1 2000 OK", "expected a status line"),
        (OK + b"\r\nno colon", "expected a name and a value"),
        (OK + b"\r\nA : b", "expected a name and a value"),
        (OK + b"\r\n: b", "expected a name and a value"),
        (OK + b"\r\n goes on", "expected a name and a value"),
        (OK + b"\r\nA: b" * (MOST_HEADERS + 1), "more than 100 headers"),
        (OK + b"\r\nContent-Length: -1", "expected one number"),
        (OK + b"\r\nContent-Length: +1", "expected one number"),
        (OK + b"\r\nContent-Length: 1_0", "expected one number"),
        (OK + b"\r\nContent-Length: " + b"9" * 30, "expected one number"),
        (OK + b"\r\nContent-Length: 1\r\nContent-Length: 2", "expected one number"),
        (OK + b"\r\nTransfer-Encoding: gzip, chunked", "expected chunked"),
    ],
)
def test_what_is_no_head_is_refused(head: bytes, cause: str) -> None:
    with pytest.raises(http.client.HTTPException, match=cause):
        parse_head(head, "GET")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(noise: bytes) -> None:
    for head in (noise, OK + b"\r\n" + noise):
        try:
            assert parse_head(head, "GET").status >= 0
        except http.client.HTTPException:
            continue


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Inflow]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as ours:
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        with closing(theirs):
            yield theirs, Inflow(ours)


class TestInflow:
    def test_a_head_may_come_byte_by_byte_and_what_follows_is_kept(self, pair: tuple[socket.socket, Inflow]) -> None:
        theirs, inflow = pair

        def send() -> None:
            for place in range(len(OK) + 4):
                theirs.sendall((OK + b"\r\n\r\n")[place : place + 1])
                time.sleep(0.001)
            theirs.sendall(OK + b"\r\n\r\nbody")

        thread = threading.Thread(target=send)
        thread.start()
        assert (inflow.head(), inflow.head()) == (OK, OK)
        rooms = [memoryview(bytearray(3)), memoryview(bytearray(5))]
        assert inflow.into(rooms) == 3
        assert inflow.into(rooms[1:]) == 1
        thread.join()
        assert (bytes(rooms[0]), bytes(rooms[1][:1]), inflow.waiting) == (b"bod", b"y", False)

    def test_rooms_are_filled_one_after_the_other(self, pair: tuple[socket.socket, Inflow]) -> None:
        theirs, inflow = pair
        theirs.sendall(b"abcdefgh")
        time.sleep(0.05)
        rooms = [memoryview(bytearray(3)), memoryview(bytearray(10))]
        assert inflow.into(rooms) == 8
        assert (bytes(rooms[0]), bytes(rooms[1][:5])) == (b"abc", b"defgh")

    def test_the_wait_for_bytes_is_bounded_and_may_be_changed(self, pair: tuple[socket.socket, Inflow]) -> None:
        theirs, inflow = pair
        room = [memoryview(bytearray(3))]
        for seconds in (1e-9, 0.05):
            inflow.allow(seconds)
            with pytest.raises(TimeoutError):
                inflow.into(room)
        inflow.allow(None)
        threading.Timer(0.3, theirs.sendall, (b"abc",)).start()
        assert inflow.into(room) == 3
        inflow.allow(1e300)
        theirs.close()
        assert inflow.into(room) == 0

    def test_an_endless_head_is_refused(self, pair: tuple[socket.socket, Inflow]) -> None:
        theirs, inflow = pair
        thread = threading.Thread(target=theirs.sendall, args=(b"a" * (2 * LONGEST_HEAD),))
        thread.start()
        with pytest.raises(http.client.HTTPException, match="a head of more than"):
            inflow.head()
        inflow.into([memoryview(bytearray(2 * LONGEST_HEAD))])
        thread.join(10)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(transport=DirectTransport(), timeout=5) as client:
        yield client


def test_answers_that_say_that_another_is_to_come_are_passed_over(client: httpx.Client) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with raw_server(always(interim + with_length(b"ok"))) as server:
        assert [client.get(f"http://127.0.0.1:{server.port}/").content for _ in range(2)] == [b"ok"] * 2
        assert server.connections == 1
    endless = always(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
    with raw_server(endless) as server, pytest.raises(httpx.RemoteProtocolError, match="before the final one"):
        client.get(f"http://127.0.0.1:{server.port}/")


def test_a_connection_with_bytes_that_belong_to_no_answer_is_not_used_again(client: httpx.Client) -> None:
    for stray in (with_length(b"ok") + with_length(b"stray"), CHUNKED + b"2\r\nok\r\n0\r\n\r\nstray"):
        with raw_server(always(stray)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert [client.get(url).content for _ in range(2)] == [b"ok"] * 2
            assert server.connections == 2


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\nB": "c"}, {"A": "\x00"}])
def test_a_request_is_one_request(client: httpx.Client, headers: dict[str, str]) -> None:
    with raw_server(always(with_length(b"ok"))) as server:
        with pytest.raises(httpx.LocalProtocolError, match="line break"):
            client.get(f"http://127.0.0.1:{server.port}/", headers=headers)
        assert server.requests == []
