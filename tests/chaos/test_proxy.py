"""The proxy of a run with faults does to connections what it is told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.chaos.proxy import NONE, Proxy, Trouble

DATA = bytes(range(40))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy of a server that sends back what it receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with Proxy(listener.getsockname()[1]) as running:
            yield running
        listener.shutdown(socket.SHUT_RDWR)


def _echo(listener: socket.socket) -> None:
    with suppress(OSError):  # closed at the end of the test
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_send_back, args=(connection,), daemon=True).start()


def _send_back(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        while data := connection.recv(1000):
            connection.sendall(data)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5.0)


def reply(connection: socket.socket) -> bytes:
    """Send the data and return what comes back."""
    connection.sendall(DATA)
    found = b""
    while len(found) < len(DATA) and (piece := connection.recv(1000)):
        found += piece
    return found


def test_without_trouble_bytes_pass_unchanged(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert reply(connection) == DATA


def test_one_bit_is_flipped_once(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert not proxy.flip(0.5, 3, seconds=0.05)
        flipping = threading.Thread(target=proxy.flip, args=(0.5, 3, 5.0))
        flipping.start()
        while proxy._flip is None:
            time.sleep(0.01)
        changed = reply(connection)
        flipping.join()
        assert [one ^ other for one, other in zip(changed, DATA, strict=True) if one != other] == [8]
        assert reply(connection) == DATA


@pytest.mark.parametrize("trouble", [Trouble(delay=0.4), Trouble(dribble=True), Trouble(drop=True)])
def test_troubles_hold_bytes_up_until_they_end(proxy: Proxy, trouble: Trouble) -> None:
    with connect(proxy) as connection:
        proxy.trouble = trouble
        began = time.monotonic()
        threading.Timer(0.3, setattr, (proxy, "trouble", NONE)).start()
        assert reply(connection) == DATA
        assert 0.25 < time.monotonic() - began < 1.5


def test_connections_are_cut_and_refused_until_they_are_accepted_again(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert reply(connection) == DATA
        proxy.cut()
        with suppress(ConnectionError):
            assert connection.recv(10) == b""
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    with connect(proxy) as connection:
        assert reply(connection) == DATA
