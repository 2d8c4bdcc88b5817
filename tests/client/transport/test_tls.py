"""TLS with a private CA, and what the client says of servers that it cannot talk to."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from client import ClientError, RequestRefusedError, SamplerClient, ServerUnavailableError
from client.transport.tls import explain_tls
from tests.support.certificates import Certificates, make_certificates
from tests.support.client_twins import Make, clients
from tests.support.loading import load, steps
from tests.support.raw_server import always, raw_server
from tests.support.scripted_server import scripted

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
"""uvicorn's response to bytes that are not HTTP."""

SECONDS = 5.0
"""More than an error may take that no new attempt can help."""


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as made:
        yield made


@contextmanager
def refusing_server(response: bytes = BAD_REQUEST) -> Iterator[str]:
    """Run a plain server that responds to whatever comes first, then closes the connection; yield its URL."""

    def refuse(listener: socket.socket) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def complaint(make: Make, url: str, **options: object) -> str:
    """Return the message of the error that a client of a server gives at once, without a retry."""
    begun = time.monotonic()
    with pytest.raises(ClientError) as caught:
        make(url, attempts=10, max_wait=9.0, **options).spec()
    assert time.monotonic() - begun < SECONDS
    assert not isinstance(caught.value, ServerUnavailableError)
    return str(caught.value)


def test_batches_travel_over_tls_with_a_private_ca(make: Make, private: Certificates) -> None:
    with scripted(trust=private.server()) as server, scripted() as plain:
        one = make(server.url, ca=private.ca, token="0123456789abcdef").batch([3, 1, 2])
        other = make(plain.url).batch([3, 1, 2])
        assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer 0123456789abcdef"}
    assert all(one.arrays[name].tobytes() == array.tobytes() for name, array in other.arrays.items())


def test_a_loader_uses_the_ca_too(private: Certificates) -> None:
    with scripted(trust=private.server()) as server, load(server.url, ca=str(private.ca), stop=3) as batches:
        assert steps(batches) == [0, 1, 2]


def test_an_untrusted_certificate_asks_for_the_ca(make: Make, private: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path, authority="other")
    with scripted(trust=private.server()) as server:
        for options in ({}, {"ca": other.ca}):
            message = complaint(make, server.url, **options)
            assert "is not trusted" in message
            assert "ca= or --ca" in message


def test_a_certificate_that_breaks_a_rule_is_not_said_to_lack_its_ca() -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = 92, "CA cert does not include key usage extension"
    message = explain_tls(error, "https://cpu-host:8000/v1/spec")
    assert message.endswith("is invalid (CA cert does not include key usage extension): issue it again")


def test_a_certificate_for_another_host_names_both(make: Make, tmp_path: Path) -> None:
    other = make_certificates(tmp_path, "cpu-host", "10.1.2.3")
    with scripted(trust=other.server()) as server:
        message = complaint(make, server.url, ca=other.ca)
    assert "has a certificate for cpu-host, 10.1.2.3, not for 127.0.0.1" in message


def test_https_to_a_plain_port_says_so(make: Make) -> None:
    with refusing_server() as url:
        message = complaint(make, url.replace("http", "https"))
    assert re.search(r"the server at 127.0.0.1:\d+ speaks http, not https: use http://127.0.0.1:\d+", message)


def test_http_to_a_tls_port_says_so(make: Make, private: Certificates) -> None:
    with scripted(trust=private.server()) as server:
        message = complaint(make, server.url.replace("https", "http"))
    assert re.search(r"the server at 127.0.0.1:\d+ speaks https, not http: use https://127.0.0.1:\d+", message)


@pytest.mark.parametrize(
    "body",
    [b"The plain HTTP request was sent to HTTPS port", b"Client sent an HTTP request to an HTTPS server."],
)
def test_a_proxy_that_refuses_plain_http_is_understood(make: Make, body: bytes) -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with raw_server(always(refusal)) as server:
        assert "speaks https, not http: use https://127.0.0.1" in complaint(make, f"http://127.0.0.1:{server.port}")


def test_a_server_that_hangs_up_without_tls_is_still_tried_again(make: Make) -> None:
    with refusing_server(b"") as url, pytest.raises(ServerUnavailableError) as caught:
        make(url, attempts=2).spec()
    assert caught.value.attempts == 2


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_an_unusable_ca_is_refused_at_once(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    for make in (SamplerClient, load):
        with pytest.raises(RequestRefusedError, match=r"ca = '.*ca.pem': expected a PEM file"):
            make("https://cpu-host", ca=file)


def test_a_ca_without_https_is_refused(private: Certificates) -> None:
    for make in (SamplerClient, load):
        with pytest.raises(RequestRefusedError, match=r"no CA with a URL that begins with http://; use https://"):
            make("http://cpu-host", ca=private.ca)
