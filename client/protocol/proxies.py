"""Which proxy applies to a server, from the environment. The same decision holds for every transport."""

import ipaddress
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from client.errors import MissingExtraError
from sampler.errors import InvalidRequestError
from sampler.printable import printable

SCHEMES = ("http", "https", "socks5", "socks5h")
EXPECTED = "the URL of a proxy, such as http://proxy:3128, or nothing"

PORTS = {"http": 80, "https": 443}

SYSTEM = "the system's settings"
"""In place of a variable, where the proxy does not come from the environment."""

HAS_SYSTEM_SETTINGS: bool = sys.platform in ("darwin", "win32")

MAX_SHOWN = 200
"""Characters of an invalid value that are shown."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that applies to a server.

    Attributes:
        url: for the transport, with user and password if there are any. Never shown.
        shown: the URL without them.
        variable: that it comes from, such as "HTTP_PROXY".
        host: of the server.
    """

    url: str
    shown: str
    variable: str
    host: str

    def __repr__(self) -> str:
        return f"<Proxy: {self.shown} from {self.variable}>"

    @property
    def named(self) -> str:
        """The proxy and where it comes from, for messages."""
        return f"the proxy {self.shown} ({self.variable})"

    @property
    def remedy(self) -> str:
        """How to do without the proxy, for messages."""
        return f"to connect directly, add {self.host} to NO_PROXY"


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy that applies to a server's URL, or None.

    It is named by HTTP_PROXY or HTTPS_PROXY, depending on the URL, or else by ALL_PROXY, and does not apply to hosts
    in NO_PROXY. Names in lower case come first. A loopback address is reached through a proxy only if the proxy is at a
    loopback address itself: any other proxy would connect to its own.

    Args:
        url: a valid URL of a server.
        environment: by default, that of the process, or the system's settings if it names no proxy.

    Raises:
        InvalidRequestError: a variable has an invalid value; it is the error's field.
        MissingExtraError: the proxy needs a package that is not installed.
    """
    server = urlsplit(url)
    found = _configured(server.scheme, os.environ if environment is None else environment)
    if found is None and environment is None:
        found = _system_proxy(server)
    if found is None:
        return None
    variable, value, exceptions = found
    if _excepted(server, exceptions):
        return None
    parts = _parse(variable, value)
    host = server.hostname or ""
    if is_loopback(host) and not is_loopback(parts.hostname or ""):
        return None
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        need = "this proxy needs the package socksio: pip install 'httpx[socks]'"
        raise MissingExtraError(f"{variable} = {_shown(parts)!r}: {need}; or add {host} to NO_PROXY")
    return Proxy(parts.geturl(), _shown(parts), variable, host)


def _configured(scheme: str, environment: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return variable, value and exceptions of the proxy that the environment names; None if it names none."""
    exceptions = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    for name in (f"{scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
                continue  # in a CGI script, it may come from a header of the request
            value = environment.get(variable)
            if value:
                return variable, value, exceptions
            if value is not None and variable == name:
                break  # set to nothing in lower case: none, whatever the other case says
    return None


def _system_proxy(server: SplitResult) -> tuple[str, str, str] | None:
    """Return the proxy of the system's settings, which macOS and Windows have."""
    if not HAS_SYSTEM_SETTINGS:
        return None
    import urllib.request  # loads ssl, which a loader does later

    if urllib.request.getproxies_environment():
        return None
    value = urllib.request.getproxies().get(server.scheme)
    if not value or urllib.request.proxy_bypass(_host_and_port(server)):
        return None
    return SYSTEM, value, ""


def _host_and_port(server: SplitResult) -> str:
    return server.netloc.rpartition("@")[2]


def _parse(variable: str, value: str) -> SplitResult:
    text = value.strip()
    text = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(text)
        valid = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        if valid and ":" in (parts.hostname or ""):
            ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        valid = False
    if not valid or not text.isprintable() or any(letter.isspace() for letter in text):
        raise InvalidRequestError(variable, printable(hide_credentials(value)[:MAX_SHOWN]), EXPECTED)
    return parts


def hide_credentials(text: str) -> str:
    """Return the text of an invalid URL without what may be user name and password: all between scheme and last @."""
    before, at, rest = text.rpartition("@")
    scheme, separator, _ = before.partition("://")
    return f"{scheme}://…@{rest}" if at and separator else rest


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{_host_and_port(parts)}"


# --- exceptions ---


def _excepted(server: SplitResult, exceptions: str) -> bool:
    """Whether NO_PROXY names the server.

    Entries are separated by commas or spaces: a name, which stands for its subdomains too, with or without a dot before
    it; an address; a network such as 10.0.0.0/8; each with a port or without. "*" stands for every host.
    """
    host = (server.hostname or "").rstrip(".")
    port = server.port or PORTS[server.scheme]
    return any(_matches(entry, host, port) for entry in exceptions.lower().replace(",", " ").split())


def _matches(entry: str, host: str, port: int) -> bool:
    scheme_free = entry.rpartition("://")[2].rstrip("/")
    name, wanted = _split_port(scheme_free)
    if wanted is not None and wanted != port:
        return False
    if name == "*":
        return True
    address = _address(host)
    if address is not None:
        return _contains(name, address)
    suffix = name.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return the name, address or network of an entry, without brackets, and its port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        if rest.startswith("/"):  # a network, such as [fd00::]/8
            return name + rest, None
        return name, _port(rest[1:])
    name, colon, port = entry.partition(":")
    if not colon or ":" in port:  # no port, or an IPv6 address
        return entry, None
    return name, _port(port)


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else None


def _contains(name: str, address: Address) -> bool:
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False  # a name, or an invalid entry, which excepts no address


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    name = host.lower().rstrip(".")
    address = _address(name)
    return name == "localhost" or name.endswith(".localhost") if address is None else address.is_loopback
