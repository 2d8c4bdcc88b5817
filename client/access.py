"""Checking the access to servers: which may get a token, and which CA signs their certificates."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from client.credentials import HIDDEN, Access, Token, as_token, token_of_environment
from client.protocol.proxies import Proxy, is_loopback
from sampler.errors import InvalidRequestError

log = logging.getLogger("saccade_client.access")


def access_to(
    servers: Iterable[tuple[str, Proxy | None]], token: str | Token | None, ca: str | os.PathLike[str] | None
) -> Access:
    """Return the checked access to servers that have the same token and CA.

    Args:
        servers: their URLs, checked before, each with the proxy that applies to it. A proxy gets no token, except
            within the encrypted connection of an https URL.
        token: None for that of the environment, if it has one.
        ca: PEM file of a private CA; None for the CAs of the system.

    Raises:
        InvalidRequestError: a value cannot be used, for one of the servers or at all.
    """
    token = token_of_environment() if token is None else as_token(token)
    for url, proxy in servers:
        _require_usable(url, token, ca, proxy)
    return Access(token, None if ca is None else _checked_ca(ca))


def _require_usable(url: str, token: Token | None, ca: str | os.PathLike[str] | None, proxy: Proxy | None) -> None:
    parts = urlsplit(url)
    if token is not None and parts.username is not None:
        raise InvalidRequestError("token", HIDDEN, "no token with a URL that has a user name: both are credentials")
    if token is not None and parts.scheme == "http" and proxy is not None:
        expected = f"no token through {proxy.named}, which could read it: use https://, or add {proxy.host} to NO_PROXY"
        raise InvalidRequestError("token", HIDDEN, expected)
    if isinstance(ca, str | os.PathLike) and parts.scheme != "https":
        raise InvalidRequestError("ca", os.fspath(ca), "no CA with a URL that begins with http://; use https://")


def warn_if_readable(url: str, access: Access) -> None:
    """Log a warning if others in the network can read the token."""
    parts = urlsplit(url)
    if access.token is not None and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        log.warning("the token for %s travels unencrypted: use https:// unless the network is trusted", parts.hostname)


def _checked_ca(ca: object) -> Path:
    if not isinstance(ca, str | os.PathLike):
        raise InvalidRequestError("ca", ca, "the path of a PEM file")
    # Loads ssl, which a trainer without TLS does not need before the loader's process has started.
    from client.transport.tls import trust

    path = Path(ca).expanduser()
    trust(path)
    return path
