"""A server with a certificate: https from end to end, and clients that do not speak it."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from service.server.tls import TlsError, server_context
from tests.support.certificates import Certificates, make_certificates
from tests.support.live_server import SERVE, LiveServer, running, until
from tests.support.wire_client import body

HEAD_SECONDS = 1.5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def encrypted(
    scenes: tuple[Path, Path], cache_dir: Path, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    settings = {
        "annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1, "max_connections": 8,
        "header_seconds": HEAD_SECONDS, "tls_cert": certificates.certificate, "tls_key": certificates.key,
    }  # fmt: skip
    trust = ssl.create_default_context(cafile=certificates.ca)
    with running(tmp_path_factory.mktemp("tls"), settings, SERVE, trust) as server:
        yield server


def connect(server: LiveServer) -> socket.socket:
    port = httpx.URL(server.url).port
    assert port is not None
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(20)
    return connection


def test_a_batch_over_https_has_the_bytes_of_one_over_http(encrypted: LiveServer, server: LiveServer) -> None:
    query = "seed=1&step=0&batch_size=24"
    response = httpx.get(f"{encrypted.url}/v1/batches?{query}", verify=encrypted.trust, timeout=60)
    assert response.content == body(server.url, query)


def test_a_client_that_does_not_trust_the_authority_sends_nothing(encrypted: LiveServer) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{encrypted.url}/healthz")
    until(lambda: "the client does not accept the certificate of this server (" in encrypted.log)


def test_http_to_a_port_with_a_certificate_ends_at_once_and_is_logged(encrypted: LiveServer) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(encrypted.url.replace("https", "http") + "/healthz")
    until(lambda: "the client speaks http to this port, which speaks https" in encrypted.log)
    assert "Traceback" not in encrypted.log


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half a hello"])
def test_a_handshake_has_a_time_limit(encrypted: LiveServer, sent: bytes) -> None:
    with connect(encrypted) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        with suppress(ConnectionError):
            assert connection.recv(100) == b""
        assert HEAD_SECONDS - 0.2 < time.monotonic() - began < HEAD_SECONDS + 2


def test_connections_without_a_handshake_keep_nobody_out(encrypted: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(connect(encrypted))
        began = time.monotonic()
        assert httpx.get(f"{encrypted.url}/healthz", verify=encrypted.trust).status_code == 200
        assert time.monotonic() - began < HEAD_SECONDS
        assert encrypted.metric("sampler_connections") <= 8
    until(lambda: encrypted.metric("sampler_connections") == 1)  # that of the request for it


def test_a_client_that_resets_its_connection_in_the_handshake_causes_no_stack_trace(encrypted: LiveServer) -> None:
    for number in range(20):
        with connect(encrypted) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
            time.sleep((0, 0.005, 0.02)[number % 3])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: "127.0.0.1: no TLS connection: ConnectionResetError" in encrypted.log)
    assert "Traceback" not in encrypted.log


def test_a_head_without_end_is_refused_over_https(encrypted: LiveServer) -> None:
    assert isinstance(encrypted.trust, ssl.SSLContext)
    with encrypted.trust.wrap_socket(connect(encrypted), server_hostname="127.0.0.1") as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nA: " + b"a" * 66_000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 431")


def test_a_stream_ends_when_its_client_disconnects_after_a_second_request(encrypted: LiveServer) -> None:
    assert isinstance(encrypted.trust, ssl.SSLContext)
    with encrypted.trust.wrap_socket(connect(encrypted), server_hostname="127.0.0.1") as connection:
        connection.sendall(b"GET /v1/stream?batch_size=8 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    until(lambda: encrypted.metric("sampler_requests_in_flight") == 0)


def test_a_certificate_file_may_contain_the_key(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    assert server_context(both, None).minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used_are_named_with_the_cause(certificates: Certificates, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"--tls-cert .*nowhere\.pem: No such file"):
        server_context(tmp_path / "nowhere.pem", None)
    with pytest.raises(TlsError, match=r"--tls-cert .*certificate\.pem: the file has no private key; .* --tls-key$"):
        server_context(certificates.certificate, None)
    with pytest.raises(TlsError, match=r"--tls-cert .*key\.pem: the file has no certificate in PEM format$"):
        server_context(certificates.key, certificates.key)
    with pytest.raises(TlsError, match=r"--tls-key .*certificate\.pem: the file has no private key in PEM format$"):
        server_context(certificates.certificate, certificates.certificate)
    other = make_certificates(tmp_path, authority="other")
    with pytest.raises(TlsError, match="the key is not that of the certificate"):
        server_context(certificates.certificate, other.key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to encrypt a key")
def test_an_encrypted_key_is_refused_instead_of_asking_for_its_password(
    certificates: Certificates, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    command = [
        "openssl",
        "pkey",
        "-in",
        str(certificates.key),
        "-aes256",
        "-passout",
        "pass:secret",
        "-out",
        str(locked),
    ]
    files = ["-in", str(certificates.key), "-out", str(locked)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    with pytest.raises(TlsError, match="the TLS key is encrypted"):
        server_context(certificates.certificate, locked)
