"""Running a server: settings, sockets, TLS, then uvicorn in this process."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from sampler.cli.exit_status import CANNOT_RUN
from service.access.binding import require_protected
from service.app import create_app
from service.descriptors import raise_limit
from service.log_output import errors_in_one_form, format_before_settings, take_over
from service.server.announcement import Announcement
from service.server.connection_cap import connection_cap
from service.server.connections import ConnectionLimits, Connections
from service.server.listener import ListenError, already_listening, close_all, inherited_listener, open_listeners
from service.server.protocol import LimitedProtocol
from service.server.tls import server_context
from service.server.tls_front import TlsFront
from service.settings.load import load_settings
from service.settings.server import Settings

log = logging.getLogger("saccade_sampler")


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients find the server."""

    host: str
    port: int
    descriptor: int | None = None  # an inherited socket, instead of host and port
    root_path: str = ""  # prefix of the URL that a proxy removes


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # with uvicorn's status
            raise SystemExit(CANNOT_RUN) from None
        self._announce()


def run(place: Place, options: Mapping[str, Any], settings_file: Path | None = None) -> None:
    """Serve until a signal comes. Exits with status 2 if the dataset cannot be served, which is then logged.

    Args:
        place: Where clients find the server.
        options: Settings of the command line, by field.
        settings_file: Further settings.

    Raises:
        SamplerError: A setting is invalid, the port cannot be used, or the certificate cannot.
    """
    take_over("info", format_before_settings(options))
    with errors_in_one_form(format_before_settings(options)):
        settings = load_settings(options, settings_file)
    take_over(settings.log_level, settings.log_format)
    with errors_in_one_form(settings.log_format):
        _run(place, settings)


def _run(place: Place, settings: Settings) -> None:
    context = None if settings.tls_cert is None else server_context(settings.tls_cert, settings.tls_key)
    listeners = _listeners(place)
    try:
        for listener in listeners:
            require_protected(settings, _address(listener))
        _serve(place, settings, listeners, context)
    finally:
        close_all(listeners)


def _protocol(connections: Connections, context: ssl.SSLContext | None, **given: Any) -> asyncio.Protocol:
    """Return the protocol of a new connection. given: by uvicorn."""
    http = LimitedProtocol(connections, **given)
    return http if context is None else TlsFront(connections, context, http)


def _limits(settings: Settings) -> ConnectionLimits:
    most = connection_cap(settings.max_connections, settings.workers, raise_limit())
    return ConnectionLimits(
        most, settings.header_seconds, settings.idle_seconds, settings.idle_seconds, settings.retry_after
    )


def _listeners(place: Place) -> list[socket.socket]:
    if place.descriptor is not None:
        return [inherited_listener(place.descriptor)]
    return open_listeners(place.host, place.port)


def _address(listener: socket.socket) -> str | None:
    """Return the address of a socket, or None if it is not one of a network."""
    is_network = listener.family in (socket.AF_INET, socket.AF_INET6)
    return str(listener.getsockname()[0]) if is_network else None


def _serve(place: Place, settings: Settings, listeners: list[socket.socket], context: ssl.SSLContext | None) -> None:
    app = create_app(settings)
    app.state.limited = True
    connections = Connections(_limits(settings), app.state.metrics)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(_protocol, connections, context)),
        ws="none",
        lifespan="on",
        interface="asgi3",
        workers=1,  # not WEB_CONCURRENCY: the processes that make samples are not uvicorn's
        timeout_keep_alive=cast(int, settings.idle_seconds),  # passed on to the event loop, which takes fractions
        log_config=None,
        log_level=settings.log_level,
        root_path=place.root_path,
    )
    server = _Server(config, lambda: _announce(place, settings, listeners[0]))
    try:
        server.run(listeners)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ListenError(already_listening(error)) from error


def _announce(place: Place, settings: Settings, listener: socket.socket) -> None:
    """Say where the server is: to people, or in a log that has one form."""
    found = _announcement(place, settings, listener)
    where = f"the inherited socket {listener.getsockname()!r}" if found is None else found.page
    if settings.log_format == "json":
        log.info("serving at %s", where)
        return
    with suppress(OSError):  # nobody reads it: the pipe is closed
        print(f"Serving on {where}. Ctrl-C stops the server." if found is None else found.text(), flush=True)


def _announcement(place: Place, settings: Settings, listener: socket.socket) -> Announcement | None:
    """Return what a client needs; None if the socket is not one of a network."""
    address = _address(listener)
    if address is None:
        return None
    # The name that was given is what a certificate is for and what other hosts know.
    host = address if place.descriptor is not None else place.host
    token = settings.token is not None or settings.token_file is not None
    return Announcement(host, listener.getsockname()[1], settings.tls_cert is not None, token, place.root_path)
