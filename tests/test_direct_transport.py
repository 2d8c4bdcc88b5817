"""The client's own transport, against sockets that behave and sockets that do not."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx
import numpy as np
import pytest

from client import ClientError, SamplerClient
from client.direct_transport import DirectTransport, proxy_applies, receiver, transport_for
from sampler.arrays import LAYOUTS
from tests.scripted_server import scripted

Handler = Callable[[socket.socket, bytes], None]
BODY = np.random.default_rng(1).bytes(300_000)
NO_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def read_head(stream: BinaryIO) -> bytes:
    """The lines before the empty one, or before the end."""
    lines = []
    while (line := stream.readline()) not in (b"", b"\r\n"):
        lines.append(line)
    return b"".join(lines)


class RawServer:
    """Hands each request (head and body) with its connection to a function; after it the connection goes on."""

    def __init__(self, handler: Handler, trust: ssl.SSLContext | None = None) -> None:
        self._handler, self._trust = handler, trust
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.connections += 1
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError, ValueError), plain:  # clients go away, as tests mean them to
            connection = self._trust.wrap_socket(plain, server_side=True) if self._trust else plain
            with connection, connection.makefile("rb") as stream:
                while head := read_head(stream):
                    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                    request = head + stream.read(int(length or 0))
                    self.requests.append(request)
                    self._handler(connection, request)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextmanager
def raw_server(handler: Handler, trust: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    with closing(RawServer(handler, trust)) as server:
        yield server


def always(*pieces: bytes, end: bool = False) -> Handler:
    def handler(connection: socket.socket, request: bytes) -> None:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_RDWR)

    return handler


def with_length(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in cut)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(transport=DirectTransport(), timeout=5) as client:
        yield client


def received(response: httpx.Response, most: int = 10_007) -> bytes:
    """The body, by `receive_into`."""
    memory, found = bytearray(most), []
    receive = receiver(response)
    while count := receive(memoryview(memory)):
        found.append(bytes(memory[:count]))
    assert receive(memoryview(memory)) == 0
    return b"".join(found)


GOOD = {
    "length": with_length(BODY),
    "one chunk": CHUNKED + chunks(BODY, 1 << 20) + b"0\r\n\r\n",
    "many chunks": CHUNKED + chunks(BODY, 1234) + b"0\r\n\r\n",
    "chunks with extensions and trailers": CHUNKED + chunks(BODY, 70_000, b' ;a="b"') + b"000\r\nA: b\r\nC: d\r\n\r\n",
}


class TestBodies:
    @pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
    def test_a_body_is_the_same_whichever_way_it_is_read_and_the_connection_is_kept(
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

    def test_what_is_there_is_given_without_waiting_for_more(self, http: httpx.Client) -> None:
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

    def test_a_body_in_another_coding_is_decoded(self, http: httpx.Client) -> None:
        packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00"
        answer = always(with_length(packed, b"Content-Encoding: gzip"))
        with raw_server(answer) as server, http.stream("GET", f"http://127.0.0.1:{server.port}/") as response:
            assert received(response) == b"hello"

    def test_the_body_of_a_request_is_sent(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(b"ok"))) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert http.post(url, json={"a": [1]}).content == b"ok"
            assert http.post(url, content=iter([b"ab", b"cd"])).content == b"ok"
        assert [request.rpartition(b"\r\n")[2] for request in server.requests] == [b'{"a":[1]}', b"abcd"]


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


class TestErrors:
    @pytest.mark.parametrize(("answer", "cause"), CUT.values(), ids=CUT)
    def test_a_body_that_is_cut_or_malformed(self, http: httpx.Client, answer: bytes, cause: str) -> None:
        with raw_server(always(answer, end=True)) as server:
            url = f"http://127.0.0.1:{server.port}/"
            with http.stream("GET", url) as response, pytest.raises(httpx.RemoteProtocolError, match=cause):
                received(response)
            with pytest.raises(httpx.RemoteProtocolError, match=cause):
                http.get(url)

    @pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"])
    def test_what_is_no_answer(self, http: httpx.Client, answer: bytes) -> None:
        with raw_server(always(answer, end=True)) as server, pytest.raises(httpx.RemoteProtocolError):
            http.get(f"http://127.0.0.1:{server.port}/")

    def test_a_server_that_is_not_there(self, http: httpx.Client) -> None:
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

    def test_an_answer_before_the_request_was_read_is_read(self, http: httpx.Client) -> None:
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


class TestConnections:
    def test_an_idle_connection_that_was_closed_is_not_used(self, http: httpx.Client) -> None:
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

    def test_a_connection_closed_at_the_next_request_is_tried_once_more(self, http: httpx.Client) -> None:
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

    def test_an_answer_that_began_is_not_asked_for_again(self, http: httpx.Client) -> None:
        def handler(connection: socket.socket, request: bytes) -> None:
            if len(server.requests) == 1:
                connection.sendall(with_length(b"ok"))
            else:
                connection.sendall(b"HTTP/1.1 2")
                connection.shutdown(socket.SHUT_RDWR)

        with raw_server(handler) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert http.get(url).content == b"ok"
            with pytest.raises(httpx.RemoteProtocolError):
                http.get(url)
            assert len(server.requests) == 2

    def test_an_answer_left_unread_closes_its_connection(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(BODY))) as server:
            url = f"http://127.0.0.1:{server.port}/"
            with http.stream("GET", url) as response:
                receiver(response)(memoryview(bytearray(10)))
            assert http.get(url).content == BODY
            assert server.connections == 2

    def test_a_connection_that_is_to_be_closed_is_not_used_again(self, http: httpx.Client) -> None:
        with raw_server(always(with_length(b"ok", b"Connection: close"))) as server:
            for _ in range(2):
                assert http.get(f"http://127.0.0.1:{server.port}/").content == b"ok"
            assert server.connections == 2

    def test_threads_get_their_own_answers(self, http: httpx.Client) -> None:
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

    def test_closing_wakes_whoever_waits(self) -> None:
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


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


def test_https_is_read_alike_and_strangers_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


class TestChoice:
    @pytest.fixture(autouse=True)
    def no_proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in NO_PROXIES:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    @pytest.mark.parametrize(
        ("proxies", "url", "applies"),
        [
            ({}, "http://cpu-host:8000", False),
            ({"http_proxy": "http://p:1"}, "http://cpu-host:8000", True),
            ({"http_proxy": "http://p:1"}, "https://cpu-host", False),
            ({"all_proxy": "http://p:1"}, "https://me:secret@cpu-host", True),
            ({"http_proxy": "http://p:1", "no_proxy": "cpu-host"}, "http://me@cpu-host:8000", False),
            ({"http_proxy": "http://p:1", "no_proxy": "other"}, "http://cpu-host:8000", True),
        ],
    )
    def test_httpx_goes_through_a_proxy_where_one_applies(
        self, monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str], url: str, applies: bool
    ) -> None:
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)
        assert proxy_applies(url) == applies
        assert (transport_for(url) is None) == applies

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_batches_are_the_same_over_any_transport(self, layout: str) -> None:
        with scripted() as server, SamplerClient(server.url) as direct:
            with SamplerClient(server.url, transport=httpx.HTTPTransport()) as other:
                one, two = (client.batch([3, 0, 1], layout=layout) for client in (direct, other))  # type: ignore[call-overload] # a parameter of the test
            assert all(two.arrays[name].tobytes() == array.tobytes() for name, array in one.arrays.items())

    def test_a_client_over_a_transport_that_fails_raises_its_own_errors(self) -> None:
        def fail(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("no")

        client = SamplerClient("http://x", transport=httpx.MockTransport(fail), attempts=1)
        with client, pytest.raises(ClientError, match="ConnectError: no"):
            client.spec()
