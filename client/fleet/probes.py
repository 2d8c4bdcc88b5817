"""Asks ejected servers whether they are ready again, in the background."""

import math
from contextlib import closing, suppress
from time import monotonic

from client.contact import Contact
from client.errors import ClientError
from client.fleet.contacts import Contacts
from client.fleet.member import Server
from client.fleet.threads import Threads
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
    """The probes of a client. They begin only while it has requests: nobody else needs the servers back."""

    def __init__(self, contacts: Contacts[Contact], threads: Threads) -> None:
        self._contacts = contacts
        self._threads = threads
        self._running: set[Cancellation] = set()
        self._next = -math.inf

    def look(self) -> None:
        """Take over new addresses, and begin the probes that are due. Does not wait. Any thread may call it."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + CHORE_SECONDS
        for contact in self._contacts.refresh():
            contact.http.close()
        for server in self._contacts.fleet.due_probes():
            with suppress(ClientError):  # there is no thread for it: it is due again after another pause
                self._threads.start(f"probe {server.url}", self._probe, server)

    def cancel(self) -> None:
        """Cancel the probes that are running."""
        for cancellation in self._running.copy():
            cancellation.cancel()

    def _probe(self, server: Server) -> None:
        cancellation = Cancellation()
        self._running.add(cancellation)
        try:
            ask_ready(self._contacts.of(server), Pace(PROBE_SECONDS), cancellation)
            ready = True
        except (ClientError, CancelledError):
            ready = False
        self._running.discard(cancellation)
        if not cancellation.cancelled:
            self._contacts.fleet.probed(server, ready)
