"""The servers of a client: who they are now, how each is reached, and the spec that all of them must have."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from client.contact import ServerContact
from client.errors import ClientError
from client.fleet.addresses import ServerAddresses
from client.fleet.member import Server
from client.fleet.members import Fleet
from client.fleet.statistics import FleetStatistics
from client.protocol.target import FIRST_CONTACT, Expectation, Pins
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.spec import ServiceSpec

IDLE_BUFFERS = 24
"""Unused buffers for batches: as many as steps are requested ahead."""


LEFT_SECONDS = 600.0
"""How long connections to a server that left the fleet stay open: its last requests may still be in flight."""

ContactT = TypeVar("ContactT", bound=ServerContact)


class Contacts(Generic[ContactT]):
    """The contacts of several servers. Several threads may share them."""

    def __init__(self, addresses: ServerAddresses, make: Callable[[str, str | None], ContactT]) -> None:
        """Make a contact of each server, which checks its settings. Raises `InvalidRequestError`.

        Names are not resolved before `fleet` is used first.

        Args:
            addresses: of the servers.
            make: returns the contact for a URL and, if that has an address of a name, the name.
        """
        self.memory = BufferPool(IDLE_BUFFERS)
        self.expected = Expectation(Pins())
        """The digests that a first contact must have."""
        self.shown = addresses.shown
        self.spec: ServiceSpec | None = None
        self._addresses = addresses
        self._make = make
        self._lock = threading.RLock()  # reentrant, for a signal handler that calls `end`
        self._fleet: Fleet | None = None
        self._known: dict[Server, ContactT] = {}
        self._left: dict[Server, float] = {}
        self._closed = False
        for base in addresses.bases:
            contact = make(base.url, base.host)
            contact.warn_if_readable()
            if base.host is None:
                self._known[Server(base.shown)] = contact

    @property
    def resolved(self) -> bool:
        """Whether `fleet` has its servers without resolving names."""
        return self._fleet is not None or not self._addresses.is_dynamic

    @property
    def fleet(self) -> Fleet:
        """The fleet of the servers. Raises `ServerUnavailableError` if no name could be resolved."""
        urls = () if self._fleet is not None else self._addresses.urls()
        with self._lock:
            if self._fleet is None:
                self._fleet = Fleet(urls, monotonic)
            return self._fleet

    def refresh(self) -> list[ContactT]:
        """Take over the addresses that the names have now. Does not wait.

        Returns:
            The contacts to close: of servers that left the fleet long ago, unless others use their transport, too.
        """
        if not self._addresses.is_dynamic:
            return []
        self.fleet.update(self._addresses.urls())
        servers, now = set(self.fleet.servers), monotonic()
        with self._lock:
            self._left = {server: self._left.get(server, now) for server in self._known if server not in servers}
            long_ago = [server for server, since in self._left.items() if now - since >= LEFT_SECONDS]
            contacts = [self._known.pop(server) for server in long_ago]
        return [contact for contact in contacts if contact.owns_transport]

    def statistics(self) -> FleetStatistics:
        """Return what was counted about the servers. There are none before names are resolved."""
        return self.fleet.statistics() if self.resolved else FleetStatistics(0, 0, 0, 0, 0, 0, ())

    def of(self, server: Server) -> ContactT:
        """Return the contact of a server. Raises `ClientError` once closed."""
        with self._lock:
            if self._closed:
                raise ClientError("the client is closed: make a new one")
            contact = self._known.get(server)
            if contact is None:
                address = self._addresses.address(server.url)
                contact = self._known[server] = self._make(address.url, address.host)
            return contact

    def pin(self, spec: ServiceSpec, server: str, request_id: str | None = None) -> ServiceSpec:
        """Return the spec of the first contact, which is this one if there was none before.

        server: or exchange that gave the spec, for messages.

        Raises:
            DigestMismatchError: the server makes other samples.
        """
        self.expected.require(spec, server, request_id)
        with self._lock:
            self.spec = self.spec or spec
        Pins.of(self.spec).require(spec, server, FIRST_CONTACT, request_id)
        return self.spec

    def end(self) -> list[ContactT]:
        """Give out no more contacts. Return those given out before, for the caller to close."""
        with self._lock:
            self._closed = True
            return list(self._known.values())
