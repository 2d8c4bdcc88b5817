"""Bodies received by the client's transport."""

import socket
import threading

import httpx
import pytest

from client.transport.direct import receiver
from tests.support.raw_server import BODY, CHUNKED, GOOD, always, raw_server, received, with_length


class TestBodies:
    @pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
    def test_a_body_is_the_same_however_it_is_read_and_the_connection_is_reused(
        self, http: httpx.Client, answer: bytes
    ) -> None:
        with raw_server(always(answer)) as server:
            url = f"http://127.0.0.1:{server.port}/a?b=c"
            with http.stream("GET", url) as response:
                assert received(response) == BODY
            with http.stream("GET", url) as response:
                assert b"".join(response.iter_raw()) == BODY
            assert http.get(url).content == BODY
            assert (server.connections, len(server.requests)) == (1, 3)
        assert server.requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")

    def test_a_body_may_last_until_the_connection_ends(self, http: httpx.Client) -> None:
        with raw_server(always(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, end=True)) as server:
            for _ in range(2):
                with http.stream("GET", f"http://127.0.0.1:{server.port}/") as response:
                    assert received(response) == BODY
            assert server.connections == 2

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No\r\n\r\n", with_length(b""), CHUNKED + b"0\r\n\r\n"])
    def test_a_body_may_be_empty(self, http: httpx.Client, answer: bytes) -> None:
        with raw_server(always(answer)) as server:
            for _ in range(2):
                with http.stream("GET", f"http://127.0.0.1:{server.port}/") as response:
                    assert received(response) == b""
            assert server.connections == 1

    def test_available_bytes_are_returned_without_waiting_for_more(self, http: httpx.Client) -> None:
        more = threading.Event()

        def handler(connection: socket.socket, request: bytes) -> None:
            connection.sendall(CHUNKED + b"5\r\nhello")
            more.wait(5)
            connection.sendall(b"\r\n0\r\n\r\n")

        with raw_server(handler) as server, http.stream("GET", f"http://127.0.0.1:{server.port}/") as response:
            memory = bytearray(100)
            got = b""
            while len(got) < 5:
                got += bytes(memory[: receiver(response)(memoryview(memory))])
            assert got == b"hello"
            more.set()
            assert receiver(response)(memoryview(memory)) == 0

    def test_the_body_of_a_request_is_sent(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(b"ok"))) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert http.post(url, json={"a": [1]}).content == b"ok"
            assert http.post(url, content=iter([b"ab", b"cd"])).content == b"ok"
        assert [request.rpartition(b"\r\n")[2] for request in server.requests] == [b'{"a":[1]}', b"abcd"]
