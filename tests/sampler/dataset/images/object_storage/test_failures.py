"""Failed requests: their cause is named, and what a repetition cannot help is not repeated."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from sampler.dataset.dataset import open_source
from sampler.dataset.images.object_storage import objects
from sampler.dataset.images.object_storage.failures import MISTAKES, reason
from sampler.errors import ImageSourceError
from tests.support.certificates import make_certificates
from tests.support.object_store import ObjectStore, Trouble
from tests.support.raw_server import CHUNKED, Handler, RawServer, always, chunks, raw_server, with_length

HOST = "127.0.0.1"
ELSEWHERE = b"HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\nx-amz-bucket-region: eu-west-1\r\n\r\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not repeat what fails."""
    monkeypatch.setattr(objects, "_PAUSES", ())
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # and not listening
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


def failure(url: str) -> str:
    """Return what is said about an object that cannot be read."""
    with pytest.raises(ImageSourceError) as caught:
        open_source(url).read("a.jpg", 1000)
    return str(caught.value)


def answered(*pieces: bytes) -> tuple[str, int]:
    """Return what is said about a response, and the number of requests."""
    with raw_server(always(*pieces)) as server:
        return failure(f"http://{HOST}:{server.port}/images"), len(server.requests)


def test_a_refused_connection_is_named(closed_port: int) -> None:
    assert "cannot be fetched: Connection refused; check network and endpoint" in failure(
        f"http://{HOST}:{closed_port}"
    )


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    with raw_server(always(), make_certificates(tmp_path).server()) as server:
        assert "cannot be fetched: invalid certificate (UnknownIssuer)" in failure(f"https://{HOST}:{server.port}")


def test_an_endpoint_without_tls_is_named() -> None:
    def respond() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1000)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=respond)
        thread.start()
        assert "the response is not TLS" in failure(f"https://{HOST}:{listener.getsockname()[1]}")
        thread.join()


def test_a_response_that_ends_early_is_named() -> None:
    def cut(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(with_length(b"x" * 100)[:-50])
        connection.shutdown(socket.SHUT_RDWR)

    with raw_server(cut) as server:
        assert "the response ended early" in failure(f"http://{HOST}:{server.port}")


def test_a_silent_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(objects._CLIENT, "read_timeout", timedelta(seconds=0.2))
    message, _ = answered()
    assert "no response in time" in message


def test_an_unknown_host_is_named_and_no_url_is_quoted() -> None:
    """The text that obstore has for it; a host that does not exist would need a resolver that responds quickly."""
    text = (
        "Generic S3 error: Error performing GET http://nowhere.invalid/a?X-Amz-Signature=hunter2 in 1ms - HTTP error: "
        "error sending request\n\nDebug source:\nHttpError { uri: http://nowhere.invalid/a?X-Amz-Signature=hunter2, "
        'source: ConnectError("dns error", Custom { kind: Uncategorized, error: "failed to lookup address information: '
        'Name or service not known" }) }'
    )
    assert reason(GenericError(text)) == "failed to lookup address information: Name or service not known"
    moved = GenericError(
        "Generic error: redirected to https://host/a?sig=hunter2 - too often: https://host/b;sig=hunter2"
    )
    assert "hunter2" not in reason(moved)


@pytest.mark.usefixtures("_credentials")
def test_a_wrong_region_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PAUSES", (0.0,))
    with raw_server(always(ELSEWHERE)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{HOST}:{server.port}")
        message = failure("s3://bucket/images")
    assert "because the region is wrong; check the variables AWS_" in message
    assert len(server.requests) == 1


def test_a_web_server_without_content_length_is_told_to_send_it_and_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(objects, "_PAUSES", (0.0,))
    message, requests = answered(CHUNKED + chunks(b"x" * 100, 10) + b"0\r\n\r\n")
    assert "the response has no Content-Length; let the web server send it" in message
    assert requests == 1


NO_ROLE = with_length(b"").replace(b"200 OK", b"404 Not Found")
ODD = with_length(b'{"error": "invalid_request"}').replace(b"200 OK", b"400 Bad Request")


@pytest.mark.parametrize("handler", [always(), always(NO_ROLE), always(ODD)], ids=["silent", "no role", "refusal"])
def test_without_credentials_the_error_says_so(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PAUSES", (0.0,))
    with raw_server(handler) as server:
        point_at(server, monkeypatch)
        message = failure("s3://bucket/images")
    assert "no credentials were found; set the variables AWS_…, or …_SKIP_SIGNATURE=true" in message
    assert server.connections == 1


def point_at(metadata: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients look for credentials at a server, which does not wait long for its responses."""
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://{HOST}:{metadata.port}")
    monkeypatch.setitem(MISTAKES, f"{HOST}:{metadata.port}", MISTAKES["169.254.169.254"])
    monkeypatch.setitem(objects._CLIENT, "read_timeout", timedelta(seconds=0.3))


def test_when_the_time_is_up_the_last_error_is_named(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "REQUEST_SECONDS", 3.0)
    monkeypatch.setattr(objects, "_PAUSES", (0.0,))
    store.put("failures/a.jpg", b"content")
    store.proxy.trouble = lambda number, _path: Trouble(500) if number == 1 else Trouble(delay=30.0)
    message = failure("s3://images/failures")
    assert "cannot be fetched: status 500 Internal Server Error (InternalError)" in message
    assert store.proxy.requests["GET"] == 2
