"""The servers of a client, and which of them gets each request. No I/O; the clock is an argument."""

import logging
import statistics
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from client.fleet.health import Health
from client.fleet.hedging import HedgeBudget, Latencies
from client.fleet.placement import Candidate, choose, server_salt
from client.fleet.statistics import FleetStatistics, ServerStatistics

log = logging.getLogger("saccade_client")

LATE_FACTOR = 2.0
"""A request is late after this multiple of its server's 95th percentile."""

OTHERS_FACTOR = 5.0
"""The same for the median of the other servers' 95th percentiles, if that is less."""

LEAST_SECONDS = 0.05
"""No request is late before. Such a delay is nothing to a trainer with a few batches ahead."""

COLD_SECONDS = 1.0
"""When a request is late, as long as no server has enough latencies."""

STALL_FACTOR = 10.0
"""A request has stalled after this multiple of the median of the other servers' 95th percentiles."""

STALL_SECONDS = 1.0
"""No request has stalled before."""

AVOIDED_SECONDS = 1.0
"""Time for which a server with a late request gets no others, if there is a server without."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers of a fleet, identified by its URL."""

    url: str


class NoServerLeftError(Exception):
    """Every server was excluded.

    Attributes:
        reasons: why, by URL.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))
        self.reasons = reasons


@dataclass(slots=True)
class _Member:
    server: Server
    salt: int
    health: Health = field(default_factory=Health)
    latencies: Latencies = field(default_factory=Latencies)
    in_flight: int = 0
    avoided_until: float = float("-inf")
    unpaid: int = 0  # hedges that the server caused since its last success
    excluded: str | None = None
    requests: int = 0
    failures: int = 0
    hedged: int = 0
    overtaken: int = 0

    @property
    def usable(self) -> bool:
        return self.excluded is None and not self.health.ejected


@dataclass(slots=True)
class _Totals:
    requests: int = 0
    failures: int = 0
    ejections: int = 0
    hedges: int = 0
    hedges_won: int = 0
    hedges_refunded: int = 0


class Fleet:
    """The servers of a client. Thread-safe, and cheap: a few microseconds a call.

    A request goes through these calls:

        server = fleet.place(key)            # counts as in flight from here on
        …                                    # wait for fleet.hedge_after(server) seconds; if there is no response:
        second = fleet.hedge(key, server)    # None: not now
        …
        fleet.finished(server, seconds)      # exactly one of these for each placed request and hedge
        fleet.failed(server, error)          #   the request goes to fleet.place(key, without=[server]) at once
        fleet.overtaken(server)              #   the response of its hedge came first
        fleet.cancelled(server)              #   nobody waits for it any more; says nothing about the server

    Calls about servers that were removed meanwhile are ignored.
    """

    def __init__(self, urls: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Make a fleet.

        Args:
            urls: of the servers, at least one. Repeated ones count once.
            clock: returns the time in seconds.

        Raises:
            ValueError: there are no URLs.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._budget = HedgeBudget()
        self._totals = _Totals()
        self._members: dict[Server, _Member] = {}
        self.update(urls)
        if not self._members:
            raise ValueError("a fleet needs at least one server")

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers of now, excluded ones included."""
        with self._lock:
            return tuple(self._members)

    def place(self, key: bytes, without: Collection[Server] = ()) -> Server:
        """Return the server for a request, which counts as in flight from now on.

        Ejected servers are chosen only if no other is left, and those in `without` only if all others are excluded.

        Args:
            key: from `placement_key`.
            without: servers that have failed this request.

        Raises:
            NoServerLeftError: every server was excluded.
        """
        with self._lock:
            member = self._choose(key, self._best(without, self._clock()))
            self._totals.requests += 1
            self._budget.earn()
            return _begin(member)

    def hedge_after(self, server: Server) -> float | None:
        """Return how long to wait for a response of a server before a second request is sent, in seconds.

        None if no second request would be sent now: there is no other server, the budget is used up, or all servers are
        slow. This may change while the request is in flight, so that a client that still waits should ask again.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None or not self._budget.is_left or not self._not_late(member, self._clock()):
                return None
            return self._late_after(member)

    def stalled_after(self, server: Server) -> float | None:
        """Return after how many seconds without a byte a request has failed, judged by the other servers.

        None if there is no other server, or too little is known of the others.
        """
        with self._lock:
            member = self._members.get(server)
            others = None if member is None else self._percentile_of_others(member)
            return None if others is None else max(STALL_SECONDS, STALL_FACTOR * others)

    def hedge(self, key: bytes, server: Server) -> Server | None:
        """Return the server for a second request, because the first is late at `server`; None for no second request.

        A second request is in flight from now on, and is taken from the budget.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None:
                return None
            now = self._clock()
            member.avoided_until = max(member.avoided_until, now + AVOIDED_SECONDS)
            others = self._not_late(member, now)
            if not others or not self._budget.is_left:
                return None
            self._budget.spend()
            self._totals.hedges += 1
            member.hedged += 1
            member.unpaid += 1
            return _begin(self._choose(key, others))

    def finished(self, server: Server, seconds: float) -> None:
        """A request succeeded.

        Args:
            server: where.
            seconds: from the request to the end of the response, without time in which the client did not read.
        """
        with self._lock:
            if (member := self._end(server)) is None:
                return
            if seconds <= self._late_after(member):
                member.avoided_until = float("-inf")
            member.latencies.add(seconds)
            member.unpaid = 0
            member.health.succeed(self._clock())

    def failed(self, server: Server, error: object) -> None:
        """A request failed: no connection, 503, a stall, or damaged bytes.

        Args:
            server: where.
            error: for the log.
        """
        with self._lock:
            if (member := self._end(server)) is not None:
                self._fail(member, error)

    def overtaken(self, server: Server) -> None:
        """A late request was cancelled, because the response of its hedge came first. Counts as a failure."""
        with self._lock:
            if (member := self._end(server)) is not None:
                member.overtaken += 1
                self._totals.hedges_won += 1
                self._fail(member, "later than a second server")

    def cancelled(self, server: Server) -> None:
        """A request was cancelled for a reason that says nothing about its server."""
        with self._lock:
            self._end(server)

    def due_probes(self) -> tuple[Server, ...]:
        """Return the ejected servers whose pause is over. Ask each for /readyz and call `probed`.

        A server is returned once, and again after another pause if `probed` is not called.
        """
        with self._lock:
            now = self._clock()
            due = [member for member in self._members.values() if member.health.probe_is_due(now)]
            for member in due:
                member.health.begin_probe(now)
            return tuple(member.server for member in due if member.excluded is None)

    def probed(self, server: Server, ready: bool) -> None:
        """Bring an ejected server back if its /readyz says that it is ready; otherwise begin a longer pause."""
        with self._lock:
            member = self._members.get(server)
            if member is None or not member.health.ejected:
                return
            now = self._clock()
            if not ready:
                member.health.fail_probe(now)
                return
            member.health.bring_back(now)
            log.info("%s is ready again", server.url)

    def update(self, urls: Iterable[str]) -> None:
        """Use these servers from now on; the others are removed. What is known of those that stay is kept.

        Nothing changes if there are no URLs: names that resolve to nothing are more likely a fault than intended.
        """
        servers = dict.fromkeys(Server(url) for url in urls)
        if not servers:
            return
        with self._lock:
            before = self._members
            self._members = {
                server: before.get(server) or _Member(server, server_salt(server.url)) for server in servers
            }
            self._use_one()

    def excluded(self, server: Server, reason: str) -> None:
        """Leave a server out, because it makes other samples. It comes back only if it is removed and added again.

        Args:
            server: where.
            reason: for the log and for `NoServerLeftError`.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None or member.excluded is not None:
                return
            member.excluded = reason
            self._use_one()
            log.warning("%s is left out: %s", server.url, reason)

    def statistics(self) -> FleetStatistics:
        """Return all counts."""
        with self._lock:
            totals = self._totals
            return FleetStatistics(
                requests=totals.requests, failures=totals.failures, ejections=totals.ejections, hedges=totals.hedges,
                hedges_won=totals.hedges_won, hedges_refunded=totals.hedges_refunded,
                servers=tuple(_statistics_of(member) for member in self._members.values()),
            )  # fmt: skip

    def _best(self, without: Collection[Server], now: float) -> list[_Member]:
        """Return the members of the best kind of which there are any."""
        accepted = [member for member in self._members.values() if member.excluded is None]
        fresh = [member for member in accepted if member.server not in without]
        usable = [member for member in fresh if not member.health.ejected]
        on_time = [member for member in usable if member.avoided_until <= now]
        best = on_time or usable or fresh or accepted
        if not best:
            raise NoServerLeftError({
                server.url: member.excluded or "" for server, member in self._members.items()
            })  # fmt: skip
        return best

    def _choose(self, key: bytes, members: list[_Member]) -> _Member:
        return members[choose(key, [Candidate(member.salt, member.in_flight) for member in members])]

    def _not_late(self, late: _Member, now: float) -> list[_Member]:
        """Return the other usable members that have no late request."""
        return [
            member for member in self._members.values()
            if member is not late and member.usable and member.avoided_until <= now
        ]  # fmt: skip

    def _late_after(self, member: _Member) -> float:
        own, others = member.latencies.percentile, self._percentile_of_others(member)
        limits = [LATE_FACTOR * own] if own is not None else []
        limits += [OTHERS_FACTOR * others] if others is not None else []
        return max(LEAST_SECONDS, min(limits)) if limits else COLD_SECONDS

    def _percentile_of_others(self, member: _Member) -> float | None:
        known = [
            seconds for other in self._members.values()
            if other is not member and other.usable and (seconds := other.latencies.percentile) is not None
        ]  # fmt: skip
        return statistics.median_low(known) if known else None

    def _end(self, server: Server) -> _Member | None:
        member = self._members.get(server)
        if member is not None:
            member.in_flight = max(0, member.in_flight - 1)
        return member

    def _fail(self, member: _Member, error: object) -> None:
        member.failures += 1
        self._totals.failures += 1
        member.health.fail()
        others = any(other.usable for other in self._members.values() if other is not member)
        if not (member.usable and member.health.failing and others):
            return
        member.health.eject(self._clock())
        self._totals.ejections += 1
        self._totals.hedges_refunded += member.unpaid
        self._budget.refund(member.unpaid)
        member.unpaid = 0
        log.warning("%s is ejected after %d failures in a row: %s", member.server.url, member.health.failures, error)

    def _use_one(self) -> None:
        """Bring an ejected server back if no other is left."""
        accepted = [member for member in self._members.values() if member.excluded is None]
        if accepted and not any(member.usable for member in accepted):
            for member in accepted:
                member.health.bring_back(self._clock())


def _begin(member: _Member) -> Server:
    member.in_flight += 1
    member.requests += 1
    return member.server


def _statistics_of(member: _Member) -> ServerStatistics:
    state = "excluded" if member.excluded is not None else "ejected" if member.health.ejected else "used"
    return ServerStatistics(
        url=member.server.url, state=state, in_flight=member.in_flight, requests=member.requests,
        failures=member.failures, ejections=member.health.ejections, hedged=member.hedged, overtaken=member.overtaken,
        seconds=member.latencies.percentile,
    )  # fmt: skip
