"""Clients of HTTP/1.0 get the same bytes as others, without chunks."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.live_server import LiveServer


def ask(server: LiveServer, path: str, *lines: str, method: str = "GET") -> tuple[list[str], bytes]:
    """Return head and body of the response to a request of HTTP/1.0, which ends with the connection."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), 30) as connection:
        connection.sendall("\r\n".join([f"{method} {path} HTTP/1.0", *lines, "", ""]).encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    return head.decode().lower().split("\r\n"), body


@pytest.mark.parametrize(
    "path",
    ["/v1/batches?indices=1,2,3&seed=5", "/v1/batches?step=3&batch_size=9", "/v1/stream?batch_size=7&stop=3",
     "/healthz", "/v1/spec", "/debug/samples/1", "/v1/nothing"],
)  # fmt: skip
@pytest.mark.parametrize("lines", [(), ("Connection: keep-alive",)])
def test_a_response_has_the_same_bytes_without_chunks(server: LiveServer, path: str, lines: tuple[str, ...]) -> None:
    head, body = ask(server, path, *lines)
    assert body == httpx.get(server.url + path, timeout=60).content
    assert not [line for line in head if line.startswith("transfer-encoding")]
    assert "connection: close" in head


def test_head_and_unmodified_batches_have_no_body(server: LiveServer) -> None:
    head, body = ask(server, "/v1/batches?indices=1", method="HEAD")
    assert (head[0], body) == ("http/1.1 200 ok", b"")
    tag = next(line.partition(": ")[2] for line in head if line.startswith("etag"))
    head, body = ask(server, "/v1/batches?indices=1", f"If-None-Match: {tag}")
    assert (head[0], body) == ("http/1.1 304 not modified", b"")
