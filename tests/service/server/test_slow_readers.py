"""Connections whose clients do not read the end of a response, with a real server in a thread."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import cast

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from service.metrics import Metrics
from service.server import connections
from service.server.connections import ConnectionLimits, Connections
from service.server.protocol import LimitedProtocol
from tests.support.live_server import until

BODY = bytes(24_000_000)
"""More than sockets hold, sent at once: the app is done before the client has read it."""

LIMITS = ConnectionLimits(most=3, head_seconds=5, idle_seconds=0.3, stall_seconds=1.2, retry_after=1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    closing = [(b"connection", b"close")] if scope["path"] == "/close" else []
    await send({"type": "http.response.start", "status": 200, "headers": closing})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


@contextmanager
def serving(limits: ConnectionLimits = LIMITS) -> Iterator[tuple[int, Metrics]]:
    """A server with these limits; yields its port and metrics."""
    metrics = Metrics()
    protocol = partial(LimitedProtocol, Connections(limits, metrics))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=cast("type[asyncio.Protocol]", protocol), ws="none", lifespan="off", log_level="error",
            timeout_keep_alive=cast(int, limits.idle_seconds),
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: uvloop.run(server.serve([listener])))
        thread.start()
        try:
            until(lambda: server.started)
            yield listener.getsockname()[1], metrics
        finally:
            server.should_exit = True
            thread.join()


def connected(metrics: Metrics) -> float:
    assert metrics.open_connections is not None
    return metrics.open_connections()


def request(port: int, path: str = "/") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize("path", ["/", "/close"])
def test_a_client_that_never_reads_the_end_is_disconnected(path: str) -> None:
    with serving() as (port, metrics), request(port, path):
        until(lambda: connected(metrics) == 1)
        began = time.monotonic()
        until(lambda: connected(metrics) == 0)
        assert LIMITS.stall_seconds - 0.3 < time.monotonic() - began < LIMITS.stall_seconds + 2


def test_a_client_that_reads_late_gets_everything() -> None:
    with serving() as (port, _):
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/")
        time.sleep(2.5 * LIMITS.idle_seconds)
        assert client.getresponse().read() == BODY
        client.close()


def test_clients_that_read_nothing_keep_nobody_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.3)
    limits = ConnectionLimits(most=3, head_seconds=5, idle_seconds=60, stall_seconds=600, retry_after=1)
    with serving(limits) as (port, metrics), ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(request(port))
        until(lambda: connected(metrics) == 3)
        time.sleep(0.6)
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/")
        assert client.getresponse().read() == BODY
        client.close()
