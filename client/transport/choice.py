"""The transport of a client: the direct one, or httpx's own if a proxy applies."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from client.protocol.proxies import EXPECTED, Proxy
from client.transport.direct import DirectTransport
from sampler.errors import InvalidRequestError


def sync_transport(proxy: Proxy | None) -> httpx.BaseTransport:
    """Return the transport of a `SamplerClient`. Raises `InvalidRequestError` if httpx refuses the proxy's URL."""
    return DirectTransport() if proxy is None else httpx.HTTPTransport(proxy=_httpx_proxy(proxy))


def async_transport(proxy: Proxy | None) -> httpx.AsyncBaseTransport:
    """Return the transport of an `AsyncSamplerClient`. Raises `InvalidRequestError` like `sync_transport`."""
    return httpx.AsyncHTTPTransport(proxy=None if proxy is None else _httpx_proxy(proxy))


def no_cookies() -> CookieJar:
    """Return a jar that keeps no cookies: a server needs none, and could fill memory with them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _httpx_proxy(proxy: Proxy) -> httpx.Proxy:
    try:
        return httpx.Proxy(proxy.url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequestError(proxy.variable, proxy.shown, EXPECTED) from error
