"""The transport of a client: the direct one, or httpx's own if a proxy applies."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx

from client.protocol.proxies import EXPECTED, Proxy
from client.transport.direct import DirectTransport
from client.transport.tls import trust
from sampler.errors import InvalidRequestError


def sync_transport(proxy: Proxy | None, ca: Path | None = None) -> httpx.BaseTransport:
    """Return the transport of a `SamplerClient`.

    Args:
        proxy: that applies to the server.
        ca: PEM file of the only CA to trust; None for the default ones.

    Raises:
        InvalidRequestError: httpx refuses the proxy's URL.
    """
    if proxy is None:
        return DirectTransport(ca)
    return httpx.HTTPTransport(verify=trust(ca), proxy=_httpx_proxy(proxy))


def async_transport(proxy: Proxy | None, ca: Path | None = None) -> httpx.AsyncBaseTransport:
    """Return the transport of an `AsyncSamplerClient`: see `sync_transport`."""
    return httpx.AsyncHTTPTransport(verify=trust(ca), proxy=None if proxy is None else _httpx_proxy(proxy))


def no_cookies() -> CookieJar:
    """Return a jar that keeps no cookies: a server needs none, and could fill memory with them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _httpx_proxy(proxy: Proxy) -> httpx.Proxy:
    try:
        return httpx.Proxy(proxy.url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequestError(proxy.variable, proxy.shown, EXPECTED) from error
