"""The servers of a client, as given: one URL, several, or a name with all its addresses."""

import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from client.credentials import without_credentials
from client.errors import ServerUnavailableError
from client.protocol.proxies import Proxy, proxy_for
from client.protocol.urls import EXPECTED, FIELD, port_of, require_url, server_of
from sampler.errors import InvalidRequestError

log = logging.getLogger("saccade_client.fleet")

URL_VARIABLE = "SAMPLER_URL"

NAME_PREFIX = "dns+"
"""Begins the scheme of a name whose addresses are one server each."""

RESOLVE_SECONDS = 15.0
"""How often a name is resolved again. A headless Service of Kubernetes has the addresses of its ready pods."""

Lookup = Callable[[str, int], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where one server is reached.

    Attributes:
        url: base URL of requests, without a slash at its end. Of a resolved name, it has one of its addresses.
        host: the resolved name, with a port if it was given one, for the Host header; None for that of `url`.
        proxy: that requests to the server go through.
    """

    url: str
    host: str | None = None
    proxy: Proxy | None = None

    @property
    def shown(self) -> str:
        """The URL without user name and password. It identifies the server."""
        return without_credentials(self.url)


class ServerAddresses:
    """The servers of a client. Several threads may share it.

    Names are resolved when they are first used, and again in the background every `RESOLVE_SECONDS`. A name that cannot
    be resolved any more keeps its last addresses.

    Attributes:
        given: the URLs as given.
        bases: one for each of `given`, to check access: for a name, the URL that has the name itself.
        is_dynamic: whether the servers may change, because there is a name to resolve.
    """

    def __init__(
        self,
        given: Iterable[str],
        field: str = FIELD,
        *,
        use_proxies: bool = True,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check the URLs, without resolving names. Raises the errors of `parse`.

        Args:
            given: URLs of servers, at least one.
            field: that they come from, for messages.
            use_proxies: False if the client was given a transport.
            lookup: returns the IP addresses of a host name and port; raises OSError. By default, `look_up`.
            clock: monotonic, in seconds.
        """
        self.given: tuple[str, ...] = tuple(given)
        if not self.given:
            raise InvalidRequestError(field, [], f"{EXPECTED}, or several")
        names = [field] if len(self.given) == 1 else [f"{field}[{at}]" for at in range(len(self.given))]
        self.bases: tuple[Address, ...] = tuple(
            _base(url, name, use_proxies) for url, name in zip(self.given, names, strict=True)
        )
        _require_different(self.bases, names)
        self._names = [base for url, base in zip(self.given, self.bases, strict=True) if url.startswith(NAME_PREFIX)]
        self.is_dynamic: bool = bool(self._names)
        self._lookup = lookup or look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._resolved: dict[str, tuple[Address, ...]] = {}
        self._causes: dict[str, str] = {}  # of names that could not be resolved last
        self._every = {base.shown: base for base in self.bases if base not in self._names}
        self._current = None if self._names else self.bases
        self._due = 0.0

    @classmethod
    def parse(
        cls,
        given: str | Iterable[str] | None,
        environment: Mapping[str, str] | None = None,
        *,
        use_proxies: bool = True,
    ) -> Self:
        """Return the servers of a client.

        Args:
            given: a URL, or several of different servers. One that begins with dns+http:// or dns+https:// stands for
                every address of its name. None for the environment variable SAMPLER_URL, which has one or more URLs,
                separated by blanks or commas.
            environment: by default, that of the process.
            use_proxies: False if the client was given a transport.

        Raises:
            InvalidRequestError: there is no URL, one is invalid, two are of one server, or a proxy applies to a name
                that is to be resolved.
            MissingExtraError: a proxy needs a package that is not installed.
        """
        if given is None:
            value = (os.environ if environment is None else environment).get(URL_VARIABLE, "")
            if not value.strip():
                raise InvalidRequestError(FIELD, None, f"{EXPECTED}, here or in the variable {URL_VARIABLE}")
            return cls(value.replace(",", " ").split(), URL_VARIABLE, use_proxies=use_proxies)
        if isinstance(given, str):
            return cls((given,), use_proxies=use_proxies)
        try:
            several = tuple(given)
        except TypeError:
            raise InvalidRequestError(FIELD, given, f"{EXPECTED}, or several") from None
        return cls(several, use_proxies=use_proxies)

    @property
    def argument(self) -> str | tuple[str, ...]:
        """What gives these servers again in another process, whatever its environment."""
        return self.given[0] if len(self.given) == 1 else self.given

    @property
    def single(self) -> Address | None:
        """The server, if one plain URL was given; None otherwise."""
        return None if self.is_dynamic or len(self.bases) > 1 else self.bases[0]

    @property
    def shown(self) -> str:
        """The URLs as given, without user names and passwords."""
        return ", ".join(map(without_credentials, self.given))

    def urls(self) -> tuple[str, ...]:
        """Return the URLs of the servers as of now, in a fixed order, each once.

        They have no user names and passwords, so that they can be shown; requests use `address(url).url`.

        The first call resolves names, which takes time; a later one never waits.

        Raises:
            ServerUnavailableError: no server is known, because no name could be resolved so far.
        """
        return tuple(address.shown for address in self.current())

    def current(self) -> tuple[Address, ...]:
        """Return the servers as of now: see `urls`."""
        with self._lock:
            current = self._current
            due = self.is_dynamic and current is not None and self._clock() >= self._due
            if due:
                self._due = self._clock() + RESOLVE_SECONDS
        if current is None:
            return self.resolve()
        if due:
            try:
                threading.Thread(target=self.resolve, name="resolve-servers", daemon=True).start()
            except RuntimeError as error:
                log.warning("%s: not resolved again now, because there is no thread: %s", _listed(self._names), error)
        return current

    def address(self, url: str) -> Address:
        """Return the server of a URL that `urls` has returned, now or before."""
        return self._every[url]

    def resolve(self) -> tuple[Address, ...]:
        """Resolve the names now, and return the servers. Raises the error of `urls`."""
        for name in self._names:
            self._resolve(name)
        with self._lock:
            found = {base.shown: base for base in self.bases if base not in self._names}
            for addresses in self._resolved.values():
                found |= {address.shown: address for address in addresses if address.shown not in found}
            if not found:
                causes = "; ".join(f"{name.shown}: {self._causes[name.url]}" for name in self._names)
                raise ServerUnavailableError(f"{causes}: expected a host name that can be resolved here")
            self._every |= found
            self._current, self._due = tuple(found.values()), self._clock() + RESOLVE_SECONDS
            return self._current

    def _resolve(self, name: Address) -> None:
        found, cause = self._look_up(name)
        with self._lock:
            before, failed_before = self._resolved.get(name.url, ()), name.url in self._causes
            if found:
                self._resolved[name.url] = found
                self._causes.pop(name.url, None)
            else:
                self._causes[name.url] = cause
        if not found and before and not failed_before:
            log.warning("%s: %s; its last addresses are kept: %s", name.shown, cause, _listed(before))
        elif found and before and found != before:
            log.info("%s has other addresses now: %s", name.shown, _listed(found))

    def _look_up(self, name: Address) -> tuple[tuple[Address, ...], str]:
        """Return the servers of a name; and the cause, if there are none."""
        parts = urlsplit(name.url)
        try:
            addresses = sorted(set(self._lookup(parts.hostname or "", port_of(parts))))
        except (OSError, ValueError) as error:  # ValueError: the name cannot be encoded
            return (), str(error)
        return tuple(_at(name, address) for address in addresses), "it has no address"


def look_up(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host name, in both families. Raises OSError or ValueError.

    Addresses of one network interface only, such as fe80::1%eth0, are left out: a URL has no place for the interface.
    """
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [address for *_, (address, *_) in rows if isinstance(address, str) and "%" not in address]


def _base(given: object, field: str, use_proxies: bool) -> Address:
    """Return the server of a URL, or the name that it begins with, not resolved."""
    is_name = isinstance(given, str) and given.startswith(NAME_PREFIX)
    url = require_url(given.removeprefix(NAME_PREFIX) if isinstance(given, str) and is_name else given, field)
    proxy = proxy_for(url) if use_proxies else None
    if is_name and proxy is not None:
        expected = f"no {NAME_PREFIX} through {proxy.named}, which resolves names itself; {proxy.remedy}"
        raise InvalidRequestError(field, without_credentials(str(given)), expected)
    return Address(url, urlsplit(url).netloc.rpartition("@")[2] if is_name else None, proxy)


def _require_different(bases: tuple[Address, ...], fields: list[str]) -> None:
    seen: dict[tuple[str, str, int, str], str] = {}
    for base, field in zip(bases, fields, strict=True):
        first = seen.setdefault(server_of(base.url), field)
        if first != field:
            raise InvalidRequestError(field, base.shown, f"each server once; {first} is the same one")


def _at(name: Address, address: str) -> Address:
    """Return the server at one of a name's IP addresses."""
    parts = urlsplit(name.url)
    host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    user, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port is None else f":{parts.port}"
    return Address(urlunsplit(parts._replace(netloc=f"{user}{at}{host}{port}")), name.host)


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(address.shown for address in addresses)
