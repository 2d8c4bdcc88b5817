"""Binding the sockets of a server."""

import errno
import os
import socket
from typing import Any

import pytest

from service.server.listener import ListenError, close_all, inherited_listener, open_listeners


def accepted(listener: socket.socket) -> socket.socket:
    """A connection that the listener accepted; the client closes it at once."""
    listener.listen()
    with socket.create_connection(listener.getsockname()[:2]):
        return listener.accept()[0]


def test_a_bound_port_refuses_connections_until_the_server_listens() -> None:
    (listener,) = open_listeners("127.0.0.1", 0)
    with listener:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname())
        listener.listen()
        socket.create_connection(listener.getsockname()).close()


def test_connections_notice_vanished_hosts_and_send_without_delay() -> None:
    (listener,) = open_listeners("127.0.0.1", 0)
    with listener, accepted(listener) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


def test_no_timeout_cuts_a_client_that_is_there_but_does_not_read() -> None:
    (listener,) = open_listeners("127.0.0.1", 0)
    with listener, accepted(listener) as connection:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_an_inherited_socket_has_the_same_options() -> None:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        with inherited_listener(os.dup(given.fileno())) as listener, accepted(listener) as connection:
            assert listener.getsockname() == given.getsockname()
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_inherited_descriptor_that_is_no_stream_socket_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        descriptor = os.dup(datagrams.fileno())
        with pytest.raises(ListenError, match=f"--fd {descriptor}: not a stream socket"):
            inherited_listener(descriptor)
        os.close(descriptor)


def test_a_name_with_several_addresses_has_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
    ])  # fmt: skip
    listeners = open_listeners("several.example", 0)
    try:
        assert [listener.getsockname()[0] for listener in listeners] == ["127.0.0.1", "127.0.0.2"]
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
    finally:
        close_all(listeners)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("", 0, "--host is empty"),
        ("host.invalid", 0, "--host host.invalid: unknown host"),
        ("a" * 70, 0, "unknown host"),
        ("192.0.2.7", 0, "--host 192.0.2.7: no network interface of this machine has this address"),
    ],
)
def test_a_host_that_cannot_be_used_is_named(host: str, port: int, words: str) -> None:
    with pytest.raises(ListenError, match=words):
        open_listeners(host, port)


def test_a_port_that_this_user_may_not_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, address: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    class Unprivileged(socket.socket):
        pass

    monkeypatch.setattr(Unprivileged, "bind", bind)
    monkeypatch.setattr(socket, "socket", Unprivileged)
    with pytest.raises(ListenError, match=r"port 80 of 127\.0\.0\.1: Permission denied, user id"):
        open_listeners("127.0.0.1", 80)
