"""One server as a client reaches it: its session, and the HTTP client that requests go through."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from client.access import warn_if_readable
from client.credentials import Access
from client.protocol.session import HEADERS, Session
from client.transport.choice import async_transport, no_cookies, sync_transport
from client.transport.tls import ClientTls
from sampler.arrays import Layout

TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSettings(Generic[TransportT]):
    """What a client needs to reach any of its servers: see `SamplerClient`.

    Token and CA are read once, so that a server that joins later needs no file.
    """

    layout: Layout
    dataset: str | None
    digest: str | None
    timeout: httpx.Timeout
    access: Access
    tls: ClientTls
    transport: TransportT | None


class ServerContact:
    """A server's session, and the access to it."""

    def __init__(self, url: str, settings: ContactSettings[Any], host: str | None) -> None:
        """Make a contact. Raises `InvalidRequestError`: a value is out of range.

        host: for the Host header and TLS, if the URL has an address of this name.
        """
        self.owns_transport = settings.transport is None  # one that was given is shared by all servers
        use_proxies = self.owns_transport and host is None
        self.session = Session(
            url, settings.layout, settings.dataset, digest=settings.digest, use_proxies=use_proxies, host=host
        )
        self._access = settings.access

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return HEADERS | self._access.headers

    def warn_if_readable(self) -> None:
        """Log a warning if others in the network can read the token."""
        warn_if_readable(self.session.base_url, self._access)


class Contact(ServerContact):
    """A server's session and connections. The connections are opened when they are needed."""

    def __init__(self, url: str, settings: ContactSettings[httpx.BaseTransport], host: str | None = None) -> None:
        """Make a contact: see `ServerContact`."""
        super().__init__(url, settings, host)
        transport = settings.transport or sync_transport(url, self.session.proxy, settings.tls)
        self.http = httpx.Client(
            timeout=settings.timeout, headers=self.headers, cookies=no_cookies(), transport=transport
        )


class AsyncContact(ServerContact):
    """The same for asyncio."""

    def __init__(self, url: str, settings: ContactSettings[httpx.AsyncBaseTransport], host: str | None = None) -> None:
        """Make a contact: see `ServerContact`."""
        super().__init__(url, settings, host)
        transport = settings.transport or async_transport(url, self.session.proxy, settings.tls)
        self.http = httpx.AsyncClient(
            timeout=settings.timeout, headers=self.headers, cookies=no_cookies(), transport=transport
        )
