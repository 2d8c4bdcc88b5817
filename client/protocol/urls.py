"""URLs of servers: their checks, and the server that each of them names."""

from urllib.parse import SplitResult, urlsplit

from client.protocol.proxies import PORTS, hide_credentials
from sampler.errors import InvalidRequestError

EXPECTED = "a URL such as http://cpu-host:8000"

FIELD = "url"
"""Name of the argument in messages. The command line, `loader` and the clients have different names for it."""


def require_url(url: object, field: str = FIELD) -> str:
    """Return a base URL without a slash at its end. Raises `InvalidRequestError` unless it is http(s)://host."""
    if not isinstance(url, str):
        raise InvalidRequestError(field, url, EXPECTED)
    try:
        parts = urlsplit(url)
        valid = parts.scheme in PORTS and parts.hostname and (parts.port is None or parts.port > 0)
        valid = valid and not (parts.query or parts.fragment or any(letter.isspace() for letter in url))
    except ValueError:
        valid = False
    if not valid:
        missing = "; http:// is missing" if url.strip() and "://" not in url else ""
        raise InvalidRequestError(field, hide_credentials(url), EXPECTED + missing)
    return url.rstrip("/")


def server_of(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of a valid URL. Two URLs of one server have the same."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), port_of(parts), parts.path.rstrip("/")


def port_of(parts: SplitResult) -> int:
    """Return the port of a valid URL, that of its scheme by default."""
    return parts.port or PORTS[parts.scheme]
