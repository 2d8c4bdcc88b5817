"""The transport of a client: the direct one, or httpx's own if a proxy applies."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from client.protocol.proxies import EXPECTED, Proxy
from client.transport.direct import DirectTransport
from client.transport.tls import ClientTls
from sampler.errors import InvalidRequestError


def sync_transport(url: str, proxy: Proxy | None, tls: ClientTls) -> httpx.BaseTransport:
    """Return the transport of a `SamplerClient` for one server.

    Args:
        url: of the server.
        proxy: that applies to it.
        tls: of the client.

    Raises:
        InvalidRequestError: httpx refuses the proxy's URL.
    """
    if proxy is None:
        return DirectTransport(tls)
    return httpx.HTTPTransport(verify=tls.context_for(url), proxy=_httpx_proxy(proxy))


def async_transport(url: str, proxy: Proxy | None, tls: ClientTls) -> httpx.AsyncBaseTransport:
    """Return the transport of an `AsyncSamplerClient`: see `sync_transport`."""
    return httpx.AsyncHTTPTransport(verify=tls.context_for(url), proxy=None if proxy is None else _httpx_proxy(proxy))


def no_cookies() -> CookieJar:
    """Return a jar that keeps no cookies: a server needs none, and could fill memory with them."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _httpx_proxy(proxy: Proxy) -> httpx.Proxy:
    try:
        return httpx.Proxy(proxy.url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidRequestError(proxy.variable, proxy.shown, EXPECTED) from error
