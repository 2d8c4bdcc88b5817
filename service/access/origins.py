"""Requests that a browser sends on behalf of a page of another site."""

from service.access.headers import Headers
from service.errors.problems import ServiceError

_OURS = (b"same-origin", b"none")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


def check_origin(method: str, headers: Headers) -> None:
    """Check that no page of another site sends a request, except as a link that was followed. Raises `ServiceError`.

    Browsers say where a request comes from in Sec-Fetch-Site (at https and localhost) or in Origin. Other clients send
    neither.
    """
    if _is_foreign(method, headers):
        raise ServiceError("foreign-origin", "pages of other sites cannot use this server; open its own pages instead")


def _is_foreign(method: str, headers: Headers) -> bool:
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OURS and not _is_followed_link(method, headers)
    origin = headers.get(b"origin")
    return origin is not None and not _is_same(origin, headers.get(b"host"))


def _is_followed_link(method: str, headers: Headers) -> bool:
    navigates = headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
    return navigates and method in ("GET", "HEAD")


def _is_same(origin: bytes, host: bytes | None) -> bool:
    """Compare names and ports only: behind a proxy with TLS, this server does not know the scheme of its pages."""
    scheme, separator, place = origin.lower().partition(b"://")
    port = _DEFAULT_PORTS.get(scheme)
    if not separator or port is None or host is None:
        return False
    return place.removesuffix(port) == host.lower().removesuffix(port)
