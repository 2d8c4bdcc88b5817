"""Connections of the client's transport: reuse, closing, https."""

import socket
import ssl
import struct
import threading
import time
from pathlib import Path

import httpx
import pytest

from client.transport.direct import DirectTransport, receiver
from client.transport.tls import ClientTls
from tests.support.certificates import make_certificates
from tests.support.processes import run
from tests.support.raw_server import BODY, CHUNKED, GOOD, always, raw_server, received, with_length


class TestConnections:
    def test_a_closed_idle_connection_is_not_reused(self, http: httpx.Client) -> None:
        closing_now = threading.Event()

        def handler(connection: socket.socket, request: bytes) -> None:
            connection.sendall(with_length(b"ok"))
            if len(server.requests) == 1:
                connection.shutdown(socket.SHUT_RDWR)
                closing_now.set()

        with raw_server(handler) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert http.get(url).content == b"ok"
            closing_now.wait(5)
            assert http.post(url, content=b"x").content == b"ok"
            assert (server.connections, len(server.requests)) == (2, 2)

    def test_a_request_on_a_connection_just_closed_is_sent_once_more(self, http: httpx.Client) -> None:
        def handler(connection: socket.socket, request: bytes) -> None:
            if len(server.requests) in (2, 4, 5):
                connection.shutdown(socket.SHUT_RDWR)
            else:
                connection.sendall(with_length(b"ok"))

        with raw_server(handler) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert [http.get(url).content for _ in range(2)] == [b"ok", b"ok"]
            assert len(server.requests) == 3
            with pytest.raises(httpx.RemoteProtocolError):
                http.get(url)
            assert len(server.requests) == 5

    @pytest.mark.parametrize(
        "begun", [b"HTTP/1.1 2", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"]
    )
    @pytest.mark.parametrize("reset", [False, True])
    def test_a_request_is_not_repeated_once_its_response_has_begun(
        self, http: httpx.Client, begun: bytes, reset: bool
    ) -> None:
        def handler(connection: socket.socket, request: bytes) -> None:
            if len(server.requests) == 1:
                connection.sendall(with_length(b"ok"))
                return
            connection.sendall(begun)
            if reset:  # let the client read what was sent, then make the system send RST in place of FIN
                time.sleep(0.2)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise OSError("close the connection")
            connection.shutdown(socket.SHUT_RDWR)

        with raw_server(handler) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert http.get(url).content == b"ok"
            with pytest.raises(httpx.ReadError if reset else httpx.RemoteProtocolError):
                http.get(url)
            assert len(server.requests) == 2

    def test_an_unread_response_closes_its_connection(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(BODY))) as server:
            url = f"http://127.0.0.1:{server.port}/"
            with http.stream("GET", url) as response:
                receiver(response)(memoryview(bytearray(10)))
            assert http.get(url).content == BODY
            assert server.connections == 2

    def test_a_connection_marked_close_is_not_reused(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(b"ok", b"Connection: close"))) as server:
            for _ in range(2):
                assert http.get(f"http://127.0.0.1:{server.port}/").content == b"ok"
            assert server.connections == 2

    def test_each_thread_gets_its_own_responses(self, http: httpx.Client) -> None:
        def echo(connection: socket.socket, request: bytes) -> None:
            connection.sendall(with_length(request.split()[1] * 5000))

        found: dict[int, list[bytes]] = {}

        def ask(number: int) -> None:
            url = f"http://127.0.0.1:{server.port}/{number}"
            found[number] = [http.get(url).content for _ in range(20)]

        with raw_server(echo) as server:
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert found == {number: [b"/%d" % number * 5000] * 20 for number in range(6)}
            assert server.connections <= 6

    def test_closing_the_transport_wakes_waiting_threads(self) -> None:
        errors: list[Exception] = []
        waiting = threading.Event()
        transport = DirectTransport()

        def read() -> None:
            with httpx.Client(transport=transport, timeout=20) as http, http.stream("GET", url) as response:
                receive, memory = receiver(response), memoryview(bytearray(10))
                assert receive(memory) > 0
                waiting.set()
                try:
                    while receive(memory):
                        pass
                except httpx.HTTPError as error:
                    errors.append(error)

        with raw_server(always(CHUNKED + b"5\r\nhello\r\n")) as server:
            url = f"http://127.0.0.1:{server.port}/"
            thread = threading.Thread(target=read)
            thread.start()
            assert waiting.wait(5)
            transport.close()
            thread.join(5)
            assert not thread.is_alive()
            assert [type(error) for error in errors] == [httpx.RemoteProtocolError]
            with httpx.Client(transport=transport) as late, pytest.raises(httpx.ConnectError, match="closed"):
                late.get(url)


class TestResponses:
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
    def test_the_last_line_of_the_head_may_end_either_way(self, http: httpx.Client, line_end: bytes) -> None:
        lines = [b"HTTP/1.1 200 OK", b"A: b", b"Content-Length: 2", b"", b"ok"]
        with raw_server(always(line_end.join(lines))) as server:
            response = http.get(f"http://127.0.0.1:{server.port}/")
            assert (response.reason_phrase, response.headers["a"], response.content) == ("OK", "b", b"ok")

    def test_interim_responses_are_skipped(self, http: httpx.Client) -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        with raw_server(always(interim + with_length(b"ok"))) as server:
            assert [http.get(f"http://127.0.0.1:{server.port}/").content for _ in range(2)] == [b"ok"] * 2
            assert server.connections == 1
        endless = always(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)
        with raw_server(endless) as server, pytest.raises(httpx.RemoteProtocolError, match="interim responses"):
            http.get(f"http://127.0.0.1:{server.port}/")

    def test_bytes_after_a_response_are_not_taken_for_the_next_response(self, http: httpx.Client) -> None:
        for stray in (with_length(b"ok") + with_length(b"stray"), CHUNKED + b"2\r\nok\r\n0\r\n\r\nstray"):
            with raw_server(always(stray)) as server:
                url = f"http://127.0.0.1:{server.port}/"
                assert [http.get(url).content for _ in range(3)] == [b"ok"] * 3

    @pytest.mark.parametrize("body", [b"ok", b"o" * 6000])
    def test_bytes_after_a_response_are_not_taken_for_the_next_one_over_tls(self, tmp_path: Path, body: bytes) -> None:
        certificates = make_certificates(tmp_path)
        server = raw_server(always(with_length(body) + with_length(b"stray")), certificates.server())
        with server as tls, httpx.Client(transport=DirectTransport(ClientTls(certificates.ca))) as http:
            url = f"https://127.0.0.1:{tls.port}/"
            assert [http.get(url).content for _ in range(3)] == [body] * 3

    @pytest.mark.parametrize("version", [b"1.1", b"1.0"])
    def test_a_response_of_two_lengths_ends_its_connection(self, http: httpx.Client, version: bytes) -> None:
        lengths = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"
        with raw_server(always(b"HTTP/%s 200 OK\r\n%s2\r\nok\r\n0\r\n\r\n" % (version, lengths))) as server:
            assert [http.get(f"http://127.0.0.1:{server.port}/").content for _ in range(2)] == [b"ok"] * 2
            assert server.connections == 2

    @pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
    def test_a_status_without_a_body_ends_with_its_head(self, http: httpx.Client, status: bytes) -> None:
        with raw_server(always(b"HTTP/1.1 %s\r\nContent-Length: 12\r\n\r\n" % status)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert [http.get(url).content for _ in range(2)] == [b""] * 2
            assert server.connections == 1

    def test_a_response_to_head_has_no_body(self, http: httpx.Client) -> None:
        with raw_server(always(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")) as server:
            assert http.head(f"http://127.0.0.1:{server.port}/").content == b""

    @pytest.mark.parametrize(
        "headers", [{"A": "b\r\nC: d"}, {"A": "b\r\n c"}, {"A": "b\rc"}, {"A": "b\0c"}, {"A\nB": "c"}, {"A\0": "b"}]
    )
    def test_a_header_cannot_hold_a_line_break_or_nul(self, http: httpx.Client, headers: dict[str, str]) -> None:
        with raw_server(always(with_length(b"ok"))) as server:
            with pytest.raises(httpx.LocalProtocolError, match="expected no NUL, CR or LF"):
                http.get(f"http://127.0.0.1:{server.port}/", headers=headers)
            assert server.requests == []


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def test_https_works_and_unknown_certificates_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = self_signed(tmp_path)
    with raw_server(always(GOOD["many chunks"]), context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with httpx.Client(transport=DirectTransport()) as http, pytest.raises(httpx.ConnectError, match=r"(?i)verify"):
            http.get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with httpx.Client(transport=DirectTransport()) as http:
            for _ in range(2):
                with http.stream("GET", url) as response:
                    assert received(response) == BODY
        assert server.connections == 2
