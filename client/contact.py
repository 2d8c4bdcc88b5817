"""One server as a client reaches it: its session, and the HTTP client that requests go through."""

import os
from dataclasses import dataclass

import httpx

from client.access import Access, Token, access_to, warn_if_readable
from client.protocol.session import HEADERS, Session
from client.transport.choice import no_cookies, sync_transport
from sampler.arrays import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSettings:
    """What a client needs to reach any of its servers: see `SamplerClient`."""

    layout: Layout
    dataset: str | None
    digest: str | None
    timeout: httpx.Timeout
    token: Token | None
    ca: str | os.PathLike[str] | None
    transport: httpx.BaseTransport | None


class Contact:
    """A server's session and connections. The connections are opened when they are needed."""

    def __init__(self, url: str, settings: ContactSettings, host: str | None = None) -> None:
        """Make a contact. Raises `InvalidRequestError`: a value is out of range.

        host: for the Host header and TLS, if the URL has an address of this name.
        """
        use_proxies = settings.transport is None and host is None
        self.session = Session(
            url, settings.layout, settings.dataset, digest=settings.digest, use_proxies=use_proxies, host=host
        )
        proxy = self.session.proxy
        self.access: Access = access_to(self.session.base_url, settings.token, settings.ca, proxy)
        transport = settings.transport
        self.http = httpx.Client(
            timeout=settings.timeout,
            headers=HEADERS | self.access.headers,
            cookies=no_cookies(),
            transport=sync_transport(proxy, self.access.ca) if transport is None else transport,
        )

    def warn_if_readable(self) -> None:
        """Log a warning if others in the network can read the token."""
        warn_if_readable(self.session.base_url, self.access)
