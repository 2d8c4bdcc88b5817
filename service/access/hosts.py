"""The host names under which a server may be used.

The owner of a page can point its name at this server's address (DNS rebinding). To a browser, page and server are then
one site. The requests of the page still carry its name as `Host`, so a server that knows its own names can refuse them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from sampler.printable import printable
from service.access.binding import is_loopback
from service.errors.problems import ServiceError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:@/%\[\]]+)(:[0-9]{0,5})?")

_LOCAL_SUFFIXES = (".local", ".internal", ".home.arpa", ".lan", ".svc")
"""Ends of names that public DNS never has: mDNS, private zones, Kubernetes services (`.svc`, `.svc.cluster.local`)."""

_MAX_BYTES = 300
"""Bytes of a `Host` header that are looked at. No name is as long."""

_LONGEST = 100
"""Characters of a refused name that are quoted."""


@lru_cache(maxsize=64)
def host_name(host: bytes) -> str | None:
    """Return the name or address in a `Host` header, without the port; None if it is malformed."""
    match = _HOST.fullmatch(host.decode("latin-1").lower())
    return match[1].strip("[]").removesuffix(".") if match else None


def is_local_name(name: str) -> bool:
    """Return whether a name cannot come from public DNS: an address, a name without a dot, or one of a private zone."""
    if "." not in name or name.endswith(_LOCAL_SUFFIXES):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The names under which a server may be used. Loopback names are always allowed: no other site can have them.

    Attributes:
        names: exact names, and patterns such as `*.example.org`.
        everything: any name is allowed.
        local: names that public DNS cannot have are allowed, too.
    """

    names: tuple[str, ...] = ()
    everything: bool = False
    local: bool = False

    def check(self, host: bytes | None) -> None:
        """Check the `Host` header of a request. Raises `ServiceError` (421).

        host: None if a request has none, as those of HTTP/1.0 may; browsers always send one.
        """
        if host is None or self.everything:
            return
        name = host_name(host[:_MAX_BYTES])
        if name is not None and (is_loopback(name) or self._allow(name)):
            return
        shown = printable(host.decode("latin-1"))[:_LONGEST]
        raise ServiceError("foreign-host", f"{shown!r} is not an allowed name of this server; {self._remedy()}")

    def _allow(self, name: str) -> bool:
        if name in self.names or (self.local and is_local_name(name)):
            return True
        return any(entry.startswith("*.") and name.endswith(entry[1:]) for entry in self.names)

    def _remedy(self) -> str:
        if self.names:
            return "if it should be, add it to SAMPLER_ALLOWED_HOSTS"
        if self.local:
            return "if it should be, set SAMPLER_ALLOWED_HOSTS to its names, or protect it with SAMPLER_TOKEN"
        return (
            "without a token only its own host may use it, as localhost; set SAMPLER_TOKEN, or SAMPLER_ALLOWED_HOSTS "
            "to its names"
        )
