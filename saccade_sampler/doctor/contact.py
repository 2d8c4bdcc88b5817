"""Facts about servers, from a few requests to each."""

import math
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from client.access import Access
from client.contact import Contact, ContactSettings
from client.errors import ClientError, RequestRefusedError, ServerUnavailableError
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
    clock_offset: float | None = None
    version: str | None = None
    spec: ServiceSpec | None = None


def contact_settings(access: Access, dataset: str | None) -> ContactSettings[httpx.BaseTransport]:
    """Return how servers are contacted: as a client does, but without retries and with little patience."""
    return ContactSettings(
        layout="compact", dataset=dataset, digest=None, timeout=timeouts(SECONDS), access=access,
        tls=ClientTls(access.ca), transport=None,
    )  # fmt: skip


def server_facts(
    addresses: Iterable[Address], settings: ContactSettings[httpx.BaseTransport]
) -> tuple[ServerFacts, ...]:
    """Return facts about each server."""
    return tuple(_facts(address, settings) for address in addresses)


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
    with contact.http:
        known: dict[str, Any] = {}
        try:
            known |= _round_trips(contact)
        except ServerUnavailableError as error:
            if error.__cause__ is not None:  # of the transport: there was no response
                return ServerFacts(address, unreachable=str(error))
            known["not_ready"] = str(error)
        except ClientError as error:
            return ServerFacts(address, refusal=str(error))
        return ServerFacts(address, **known, **_spec(contact))


def _round_trips(contact: Contact) -> dict[str, Any]:
    """Return latency and clock offset. Raises `ClientError`."""
    fastest, offset = math.inf, None
    for _ in range(ROUND_TRIPS):
        exchange, pace = contact.session.ready_exchange(), Pace(SECONDS, SECONDS)
        exchange.first = fastest == math.inf
        sent, started = time.time(), time.perf_counter()
        with client_errors(exchange), closing(open_response(contact.http, exchange, pace)) as response:
            read_document(response, exchange, pace)
            fastest = min(fastest, time.perf_counter() - started)
            offset = clock_offset(response.headers.get("date"), sent, time.time())
    return {"latency": fastest, "clock_offset": offset}


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
