"""Facts about servers, from a few requests to each."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from client.contact import Contact, ContactSettings
from client.credentials import Access
from client.errors import ClientError, ProtocolError, RequestRefusedError, ServerUnavailableError
from client.fleet.addresses import Address
from client.link import fetch_document, open_response, read_document
from client.protocol.exchange import Exchange
from client.transport.failures import client_errors
from client.transport.pace import Pace
from client.transport.timeouts import timeouts
from client.transport.tls import ClientTls
from sampler.errors import SamplerError
from sampler.wire.spec import ServiceSpec

SECONDS = 5.0
"""Limit for each request."""

ROUND_TRIPS = 3
"""Requests whose fastest is the latency: the first one also connects."""

SLOW_SECONDS = 0.5
"""A round trip that is not repeated: the latency is clear, and a slow server would take long."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server as this host sees it.

    Attributes:
        address: Where it is.
        unreachable: Why there is no connection to it; empty if there is.
        not_ready: Why it answers that it is not ready; empty if it is.
        refusal: Why it cannot be used; empty if it has given its spec.
        needs_token: Whether it refuses because the token is missing or another.
        latency: Seconds of a round trip; None if there was none.
        answered: Whether it has sent a response.
        clock_offset: Seconds that its clock is ahead of this host's, to about a second; None if it sends no date.
        version: Version of its package; None if it does not say.
        spec: Its spec; None without one.
    """

    address: Address
    unreachable: str = ""
    not_ready: str = ""
    refusal: str = ""
    needs_token: bool = False
    latency: float | None = None
    answered: bool = False
    clock_offset: float | None = None
    version: str | None = None
    spec: ServiceSpec | None = None


class _Clock:
    """Compares the clock of a server with this host's at each of its responses."""

    def __init__(self, http: httpx.Client) -> None:
        self.answered = False
        self.offset: float | None = None
        self._sent = 0.0
        http.event_hooks = {"request": [self._note_request], "response": [self._note_response]}

    def _note_request(self, _: httpx.Request) -> None:
        self._sent = time.time()

    def _note_response(self, response: httpx.Response) -> None:
        self.answered = True
        self.offset = clock_offset(response.headers.get("date"), self._sent, time.time())


def contact_settings(access: Access, dataset: str | None) -> ContactSettings[httpx.BaseTransport]:
    """Return how servers are contacted: as a client does, but without retries and with a short timeout."""
    return ContactSettings(
        layout="compact", dataset=dataset, digest=None, timeout=timeouts(SECONDS), access=access,
        tls=ClientTls(access.ca), transport=None,
    )  # fmt: skip


def server_facts(
    addresses: Sequence[Address], settings: ContactSettings[httpx.BaseTransport]
) -> tuple[ServerFacts, ...]:
    """Return facts about each server. All are contacted at once."""
    return tuple(future.result() for future in [_start(address, settings) for address in addresses])


def _start(address: Address, settings: ContactSettings[httpx.BaseTransport]) -> Future[ServerFacts]:
    """Contact a server in a thread, which Ctrl-C does not wait for."""
    future: Future[ServerFacts] = Future()

    def contact() -> None:
        try:
            future.set_result(_facts(address, settings))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            future.set_exception(error)

    threading.Thread(target=contact, daemon=True, name=f"contact {address.shown}").start()
    return future


def clock_offset(date: str | None, sent: float, received: float) -> float | None:
    """Return how many seconds a server's clock is ahead; 0 if the difference is that of the way and of rounding.

    Args:
        date: The Date header of a response, which has whole seconds.
        sent: Time of the request, in seconds since 1970.
        received: Time of the response.
    """
    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    if said > received:
        return said - received
    return min(0.0, said + 1 - sent)


def _facts(address: Address, settings: ContactSettings[httpx.BaseTransport]) -> ServerFacts:
    contact = Contact(address.url, settings, address.host)
    clock = _Clock(contact.http)
    with contact.http:
        facts = _readiness(contact)
        if "refusal" not in facts and "unreachable" not in facts:
            facts |= _spec(contact)
    return ServerFacts(address, **facts, answered=clock.answered, clock_offset=clock.offset)


def _readiness(contact: Contact) -> dict[str, Any]:
    """Return the latency of a server that is ready, or why it is not, cannot be reached or is no sampling server."""
    try:
        return {"latency": _latency(contact)}
    except ServerUnavailableError as error:
        broken = error.__cause__ is not None  # by the transport: there was no complete response
        return {"unreachable" if broken else "not_ready": str(error)}
    except ClientError as error:
        return {"refusal": str(error)}


def _latency(contact: Contact) -> float:
    """Return the seconds of the fastest of some round trips. Raises `ClientError`."""
    fastest = _round_trip(contact, first=True)
    for _ in range(ROUND_TRIPS - 1):
        if fastest > SLOW_SECONDS:
            break
        fastest = min(fastest, _round_trip(contact))
    return fastest


def _round_trip(contact: Contact, *, first: bool = False) -> float:
    exchange, pace = contact.session.ready_exchange(), Pace(SECONDS, SECONDS)
    exchange.first = first
    started = time.perf_counter()
    with client_errors(exchange), closing(open_response(contact.http, exchange, pace)) as response:
        document = read_document(response, exchange, pace)
    seconds = time.perf_counter() - started
    _require_readiness(exchange, document)
    return seconds


def _require_readiness(exchange: Exchange, document: bytes) -> None:
    """Raise `ClientError` if a document is not the one with which a sampling server says that it is ready."""
    try:
        content = exchange.parse(document)
    except ProtocolError:
        content = None
    if not isinstance(content, dict) or content.get("status") != "ok" or "workers" not in content:
        raise exchange.violation("the response is not that of a sampling server; correct the URL")


def _spec(contact: Contact) -> dict[str, Any]:
    exchange: Exchange = contact.session.spec_exchange()
    try:
        document = fetch_document(contact.http, exchange, Pace(SECONDS, SECONDS))
        spec = contact.session.pin(document, exchange)
        version = exchange.parse(document).get("version")
        return {"spec": spec, "version": version if isinstance(version, str) else None}
    except (ClientError, SamplerError) as error:
        status = error.problem.get("status") if isinstance(error, RequestRefusedError) else None
        return {"refusal": str(error), "needs_token": status == 401}
