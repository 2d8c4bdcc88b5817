"""Asks ejected servers whether they are ready again, in the background."""

import math
import threading
from contextlib import closing
from time import monotonic

from client.contact import Contact
from client.errors import ClientError
from client.fleet.contacts import Contacts
from client.fleet.member import Server
from client.link import open_response
from client.transport.cancellation import Cancellation, CancelledError, cancellable
from client.transport.failures import client_errors
from client.transport.pace import Pace

CHORE_SECONDS = 1.0
"""How often is looked for new addresses and for servers to ask."""

PROBE_SECONDS = 5.0
"""Limit for the answer of a server."""


def ask_ready(contact: Contact, pace: Pace, cancellation: Cancellation | None = None) -> None:
    """Return if a server accepts requests now. Raises `ClientError` if it does not."""
    exchange = contact.session.ready_exchange()
    with (
        client_errors(exchange),
        cancellable(cancellation),
        closing(open_response(contact.http, exchange, pace, cancellation)),
    ):
        pass


class Probes:
    """The probes of one thread's requests. They run only while it has requests: nobody else needs the servers back."""

    def __init__(self, contacts: Contacts[Contact]) -> None:
        self._contacts = contacts
        self._running: list[_Probe] = []
        self._next = -math.inf

    def look(self) -> None:
        """Take over new addresses, and begin the probes that are due. Does not wait."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + CHORE_SECONDS
        for contact in self._contacts.refresh():
            contact.http.close()
        self._running = [probe for probe in self._running if probe.is_alive()]
        for server in self._contacts.fleet.due_probes():
            probe = _Probe(server, self._contacts)
            probe.start()
            self._running.append(probe)

    def cancel(self) -> list[threading.Thread]:
        """Cancel all probes; return their threads."""
        for probe in self._running:
            probe.cancellation.cancel()
        return list(self._running)


class _Probe(threading.Thread):
    def __init__(self, server: Server, contacts: Contacts[Contact]) -> None:
        super().__init__(daemon=True, name=f"probe {server.url}")
        self.cancellation = Cancellation()
        self._server = server
        self._contacts = contacts

    def run(self) -> None:
        ready = True
        try:
            ask_ready(self._contacts.of(self._server), Pace(PROBE_SECONDS), self.cancellation)
        except (ClientError, CancelledError):
            ready = False
        if not self.cancellation.cancelled:
            self._contacts.fleet.probed(self._server, ready)
