"""Errors of the client's transport."""

import socket
import threading

import httpx
import pytest

from tests.support.raw_server import BODY, CHUNKED, always, chunks, raw_server, received, with_length

CUT = {
    "length": (with_length(BODY)[:-1], "ended inside a body"),
    "chunk": (CHUNKED + chunks(BODY, 1 << 20)[:-9], "ended inside a body"),
    "end of a chunk": (CHUNKED + chunks(BODY, 1 << 20)[:-2], "without its end"),
    "between chunks": (CHUNKED + chunks(BODY, 5000), "without its end"),
    "in a length": (CHUNKED + chunks(BODY, 5000) + b"5", "without its end"),
    "in trailers": (CHUNKED + b"0\r\nA: b\r\n", "without its end"),
    "bad length": (CHUNKED + b"-5\r\nhello\r\n", "expected a hexadecimal number"),
    "underscore": (CHUNKED + b"1_0\r\nhello\r\n", "expected a hexadecimal number"),
    "no length": (CHUNKED + b"\r\nhello\r\n", "expected a hexadecimal number"),
    "endless length": (CHUNKED + b"0" * 20_000, "without its end"),
    "long chunk": (CHUNKED + b"4\r\nhello\r\n0\r\n\r\n", "a chunk without its end"),
    "endless trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 200, "more than 100 trailers"),
}

BAD_LENGTHS = [b"", b"+2", b"-2", b"2, 3", b"0x2", b"0_2", b"2.0", b"\xb2", b"0" * 18 + b"2"]


class TestErrors:
    @pytest.mark.parametrize(("answer", "cause"), CUT.values(), ids=CUT)
    def test_a_truncated_or_malformed_body_is_an_error(self, http: httpx.Client, answer: bytes, cause: str) -> None:
        with raw_server(always(answer, end=True)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            with http.stream("GET", url) as response, pytest.raises(httpx.RemoteProtocolError, match=cause):
                received(response)
            with pytest.raises(httpx.RemoteProtocolError, match=cause):
                http.get(url)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            b"SSH-2.0-x\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"a" * (1 << 17),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
            b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
            *(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nok" % length for length in BAD_LENGTHS),
        ],
    )
    def test_an_invalid_response_is_an_error(self, http: httpx.Client, answer: bytes) -> None:
        with raw_server(always(answer, end=True)) as server, pytest.raises(httpx.RemoteProtocolError):
            http.get(f"http://127.0.0.1:{server.port}/")

    def test_equal_content_lengths_and_a_chunked_body_with_a_length_are_clear(self, http: httpx.Client) -> None:
        twice = with_length(b"ok", b"Content-Length: 2")
        chunked = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        for answer in (twice, chunked):
            with raw_server(always(answer)) as server:
                url = f"http://127.0.0.1:{server.port}/"
                assert [http.get(url).content for _ in range(2)] == [b"ok"] * 2

    def test_an_absent_server_is_a_connect_error(self, http: httpx.Client) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(httpx.ConnectError, match="refused"):
            http.get(f"http://127.0.0.1:{port}/")
        with pytest.raises(httpx.UnsupportedProtocol, match="expected http or https"):
            http.get("ftp://127.0.0.1/")

    def test_a_silent_server_runs_into_the_read_timeout(self, http: httpx.Client) -> None:
        with raw_server(always(b"")) as server, pytest.raises(httpx.ReadTimeout):
            http.get(f"http://127.0.0.1:{server.port}/", timeout=0.1)
        with raw_server(always(CHUNKED + b"5\r\nhe")) as server, pytest.raises(httpx.ReadTimeout):
            http.get(f"http://127.0.0.1:{server.port}/", timeout=0.1)

    def test_a_server_that_takes_nothing_runs_into_the_write_timeout(self, http: httpx.Client) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(httpx.WriteTimeout):
                http.post(url, content=bytes(64 << 20), timeout=0.2)

    def test_an_early_response_is_read_although_sending_failed(self, http: httpx.Client) -> None:
        def refuse(listener: socket.socket) -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=refuse, args=(listener,))
            thread.start()
            try:
                response = http.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", content=bytes(64 << 20))
                assert (response.status_code, response.content) == (413, b"no")
            except (httpx.ReadError, httpx.WriteError):
                pass  # the system threw the answer away with the reset, which no client can help
            finally:
                thread.join()
