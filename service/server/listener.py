"""The sockets that a server accepts connections on.

They are bound before the dataset is opened, so that a port in use is reported at once. Clients can connect when the
server is ready: until then the sockets do not listen, and connections are refused.
"""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sampler.errors import SamplerError

ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of an address that this machine does not have."""

KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""TCP options, as far as the system has them: seconds of silence, seconds between probes, probes.

A host that vanished without a word is noticed after two minutes, if everything that was sent to it had arrived.
Otherwise the system's limit for retransmissions applies. TCP_USER_TIMEOUT would shorten that, but Linux would also cut
clients that are alive and do not read, such as trainers that validate.
"""


class ListenError(SamplerError):
    """The server cannot accept connections at the given address. The message is one line."""


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of a host, all with the same port. Raises `ListenError`.

    host: a name or an address of this machine, 0.0.0.0 or :: for all. port: 0 for any free port.
    """
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            place = (address[0], bound[0].getsockname()[1] if bound else port, *address[2:])
            try:
                bound.append(_bind(family, place))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise ListenError(_explain(error, host, port)) from error
                absent = error  # such as ::1 for localhost on a machine without IPv6
    except ListenError:
        close_all(bound)
        raise
    if absent is not None and not bound:
        raise ListenError(_explain(absent, host, port)) from absent
    return bound


def inherited_listener(descriptor: int) -> socket.socket:
    """Return a socket that this process inherited, such as from systemd. Raises `ListenError`."""
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ListenError(
            f"--fd {descriptor}: not an inherited socket ({cause}); pass a bound stream socket"
        ) from error
    if listener.type != socket.SOCK_STREAM:
        listener.detach()
        raise ListenError(f"--fd {descriptor}: not a stream socket; pass a bound TCP or Unix socket")
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        _set_options(listener)
    return listener


def close_all(listeners: Sequence[socket.socket]) -> None:
    """Close the sockets."""
    for listener in listeners:
        listener.close()


def already_listening(error: OSError) -> str:
    """Return the line for a port that another program began to listen on while this one started."""
    return f"the port is in use by now ({error.strerror or error}); stop the other program or choose another --port"


def _addresses(host: str, port: int) -> Iterator[tuple[socket.AddressFamily, Any]]:
    if not host:
        raise ListenError("--host is empty; set 127.0.0.1 for this machine only, 0.0.0.0 for all networks")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        cause = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        advice = "set a name or address of this machine, or 0.0.0.0 for all"
        raise ListenError(f"--host {host}: unknown host ({cause}); {advice}") from error
    yield from dict.fromkeys((family, address) for family, _, _, _, address in found)


def _bind(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has another socket
        _set_options(listener)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _set_options(listener: socket.socket) -> None:
    """Set options that each accepted connection inherits."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in KEEPALIVE:
        with suppress(OSError):  # an option that this system does not let programs set
            if hasattr(socket, name):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use by another program; stop it or choose another --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        user = f"user id {os.geteuid()} may not use port {port}"
        return f"port {port} of {host}: {error.strerror}, {user}; choose a --port above 1023"
    if error.errno in ABSENT:
        return f"--host {host}: no network interface of this machine has this address; set one that it has, or 0.0.0.0"
    return f"port {port} of {host}: {error.strerror or error}; choose another --host or --port"
