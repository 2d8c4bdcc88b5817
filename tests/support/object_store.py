"""A real S3 server in its own process, and a proxy in front of it that delays and disturbs its responses."""

import http.client
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from obstore.store import S3Store

from tests.support.processes import start_python

HOST = "127.0.0.1"
BUCKET = "images"
SECRET = "the-secret-of-the-tests"
"""The secret key, which no message may show."""

_OWNER = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""Of the request that creates the bucket; the server looks at the key alone."""

START_SECONDS = 60.0


@dataclass(frozen=True)
class Trouble:
    """What happens to a response.

    Attributes:
        status: Sent instead of it, with an S3 error `code`; 0 for none.
        code: The code of the error.
        cut: Whether the connection breaks in the middle of its body.
        delay: Seconds before it, in addition to the latency.
    """

    status: int = 0
    code: str = "InternalError"
    cut: bool = False
    delay: float = 0.0


SLOW_DOWN = Trouble(503, "SlowDown")
FINE = Trouble()


@dataclass
class Proxy:
    """Forwards requests to an S3 server.

    Attributes:
        latency: Seconds before each response.
        trouble: Says what happens to the n-th request for an object, given n and the path.
        requests: Number of requests so far, by method.
        most: The most requests that were under way at once.
    """

    target: int
    latency: float = 0.0
    trouble: Callable[[int, str], Trouble] = lambda number, path: FINE  # noqa: ARG005 - all are fine
    requests: Counter[str] = field(default_factory=Counter)
    most: int = 0
    port: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hurry: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def wait(self, seconds: float) -> None:
        """Wait like the network does, unless `end_waits` is called meanwhile."""
        self._hurry.wait(seconds)

    def end_waits(self) -> None:
        """Let no request wait any longer, and wait until all are over."""
        self._hurry.set()
        deadline = time.monotonic() + 10
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.01)
        self._hurry.clear()

    @contextmanager
    def counted(self, method: str) -> Iterator[int]:
        """Count a request; yield its number."""
        with self._lock:
            self.requests[method] += 1
            number = self.requests[method]
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            yield number
        finally:
            with self._lock:
                self._under_way -= 1


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server with a bucket, behind a proxy that sees no changes of objects."""

    proxy: Proxy
    _bucket: S3Store

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables with which a client finds the server."""
        return {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def put(self, name: str, data: bytes) -> None:
        """Create or replace an object."""
        self._bucket.put(name, data)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._bucket.delete(name)

    def upload(self, folder: Path, prefix: str) -> str:
        """Copy the files of a folder; return the URL of the copy."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{prefix}/{file.relative_to(folder)}", file.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    def settle(self) -> None:
        """End requests that wait; forget latency, troubles and counts."""
        self.proxy.latency, self.proxy.trouble = 0.0, lambda _number, _path: FINE
        self.proxy.end_waits()
        self.proxy.most = 0
        self.proxy.requests.clear()


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run an S3 server with an empty bucket for the length of the block."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = start_python("-m", "moto.server", "-H", HOST, "-p", port, coverage=False, **silent)
    try:
        _wait_for(port)
        httpx.put(f"http://{HOST}:{port}/{BUCKET}", headers={"Authorization": _OWNER}).raise_for_status()
        bucket = S3Store(
            BUCKET, client_options={"allow_http": True}, endpoint=f"http://{HOST}:{port}", region="us-east-1",
            access_key_id="tests", secret_access_key=SECRET,
        )  # fmt: skip
        with _running(Proxy(port)) as proxy:
            yield ObjectStore(proxy, bucket)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _running(proxy: Proxy) -> Iterator[Proxy]:
    class Handler(_Handler):
        pass

    Handler.proxy = proxy
    server = _Server((HOST, 0), Handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients may close connections at any moment."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def do_GET(self) -> None:
        self._forward("GET")

    def do_HEAD(self) -> None:
        self._forward("HEAD")

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _forward(self, method: str) -> None:
        kind = "LIST" if "list-type" in self.path else method
        with self.proxy.counted(kind) as number:
            trouble = FINE if kind == "LIST" else self.proxy.trouble(number, self.path)
            self.proxy.wait(self.proxy.latency + trouble.delay)
            if trouble.status:
                status, headers, data = trouble.status, dict[str, str](), _ERROR.format(trouble.code).encode()
            else:
                status, headers, data = self._ask(method)
        self._respond(status, headers, data, trouble.cut)

    def _ask(self, method: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the server's response."""
        upstream = http.client.HTTPConnection(HOST, self.proxy.target)
        try:
            upstream.request(method, self.path, headers=dict(self.headers.items()))
            response = upstream.getresponse()
            data = response.read()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _OWN}
            if method == "HEAD":
                headers["Content-Length"] = response.getheader("Content-Length", "0")
            return response.status, headers, data
        finally:
            upstream.close()

    def _respond(self, status: int, headers: Mapping[str, str], data: bytes, cut: bool) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


_ERROR = "<Error><Code>{}</Code></Error>"

_OWN = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
"""Headers that the proxy sends itself."""


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the S3 server does not start")
