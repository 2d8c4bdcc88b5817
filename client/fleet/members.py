"""The servers of a client, and which of them gets each request. No I/O; the clock is an argument."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from client.fleet.hedging import HedgeBudget, LatenciesByKind, late_after, stalled_after, typical_latency
from client.fleet.member import NEVER, Member, Server
from client.fleet.placement import Candidate, choose, server_salt
from client.fleet.statistics import FleetStatistics

log = logging.getLogger("saccade_client.fleet")

AVOIDED_SECONDS = 1.0
"""Time for which a server with a late request gets no others, if there is a server without."""


class NoServerLeftError(Exception):
    """Every server is excluded.

    Attributes:
        reasons: why, by URL.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__("; ".join(f"{url}: {reason}" for url, reason in reasons.items()))
        self.reasons = reasons


@dataclass(slots=True)
class _Totals:
    requests: int = 0
    failures: int = 0
    ejections: int = 0
    hedges: int = 0
    hedges_won: int = 0
    hedges_refunded: int = 0


class Fleet:
    """The servers of a client. Thread-safe.

    `place` and `hedge` look at every server, which takes about 10 µs with 3 servers and 120 µs with 200. `hedge_after`
    and `stalled_after`, which are called again and again while a request runs, end at the first other server that is
    on time: a few microseconds.

    A request goes through these calls:

        server = fleet.place(key)            # counts as in flight from here on
        …                                    # wait for fleet.hedge_after(server) seconds; if there is no response:
        second = fleet.hedge(key, server)    # None: not now
        …
        fleet.finished(server, seconds)      # exactly one of these for each request placed or hedged
        fleet.failed(server, error)          #   then the request goes to fleet.place(key, without=[server]) at once
        fleet.overtaken(server)              #   the response of its hedge came first
        fleet.cancelled(server)              #   nobody waits for it any more; says nothing about the server

    Whether a request is late is judged by others of its kind: a text that requests with about the same work share.

    Requests at a server that was removed meanwhile go on, and are hedged and fail like others.
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
        self._members: dict[Server, Member] = {}
        self._typical_seconds: dict[str, float | None] = {}
        self._latencies = LatenciesByKind()  # of all servers
        self.update(urls)
        if not self._members:
            raise ValueError("a fleet needs at least one server")

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers of now, ejected and excluded ones included."""
        with self._lock:
            return tuple(member.server for member in self._members.values() if not member.removed)

    @property
    def accepted(self) -> tuple[Server, ...]:
        """The servers of now that are not excluded."""
        with self._lock:
            return tuple(member.server for member in self._accepted())

    def place(self, key: bytes, without: Collection[Server] = (), kind: str = "") -> Server:
        """Return the server for a request, which counts as in flight from now on.

        Servers that are late with a request are chosen only if all others are. Ejected ones are chosen only if no
        others are left, or for a request that has failed while all others are late. Those in `without` are chosen only
        if all others are excluded.

        Args:
            key: from `placement_key`.
            without: servers that have failed this request.
            kind: of the request.

        Raises:
            NoServerLeftError: every server is excluded.
        """
        with self._lock:
            now = self._clock()
            member = _choose(key, self._best(without, now))
            self._totals.requests += 1
            self._budget.earn()
            return member.begin(now, kind)

    def hedge_after(self, server: Server, kind: str = "") -> float | None:
        """Return how long to wait for a response of a server before a second request is sent, in seconds.

        None if no second request would be sent now: there is no other server, the budget is used up, or all servers are
        late. This may change while the request is in flight: a client that still waits asks again.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None or not self._may_hedge(member) or not _any(self._not_late(self._clock(), (server,))):
                return None
            return late_after(member.latencies.percentile(kind), self._typical(kind))

    def stalled_after(self, server: Server, kind: str = "") -> float | None:
        """Return after how many seconds without a byte a request has failed, judged by all servers.

        None if too little is known, or if no other server is on time: while all are slow, requests that are given up
        and sent again would only make them slower.
        """
        with self._lock:
            return stalled_after(self._typical(kind)) if _any(self._on_time(self._clock(), (server,))) else None

    def hedge(self, key: bytes, server: Server, without: Collection[Server] = (), kind: str = "") -> Server | None:
        """Return the server for a second request, because the first is late at `server`; None for no second request.

        A second request is in flight from now on, and is taken from the budget. If it is late too, it may be hedged. It
        goes to an ejected server if all others are late: that server may have recovered since.

        Args:
            key: of the request.
            server: that is late.
            without: servers that have failed this request or have it already.
            kind: of the request.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None:
                return None
            now = self._clock()
            member.avoided_until = now + AVOIDED_SECONDS
            others = list(self._not_late(now, (server, *without)))
            if not others or not self._may_hedge(member):
                return None
            if member.usable:
                self._budget.spend()
                member.unrefunded += 1
            else:
                self._totals.hedges_refunded += 1
            self._totals.hedges += 1
            member.hedged += 1
            return _choose(key, others).begin(now, kind)

    def finished(self, server: Server, seconds: float, kind: str = "") -> None:
        """A request succeeded.

        Args:
            server: where.
            seconds: from the request to the end of the response, without time in which the client did not read.
            kind: of the request.
        """
        with self._lock:
            now = self._clock()
            if (member := self._end(server, now)) is None:
                return
            before, was_usable, typical = member.latencies.percentile(kind), member.usable, self._typical(kind)
            if seconds <= late_after(before, typical):
                member.avoided_until = NEVER
            elif seconds > (stalled_after(typical) or math.inf):
                member.avoided_until = now + AVOIDED_SECONDS  # as slow as those that it would be compared with
            member.latencies.add(kind, seconds)
            self._latencies.add(kind, seconds)
            member.unrefunded = 0
            member.health.succeed(now)
            if member.usable != was_usable:
                self._typical_seconds.clear()
            elif member.latencies.percentile(kind) != before:
                self._typical_seconds.pop(kind, None)

    def failed(self, server: Server, error: object) -> None:
        """A request failed: no connection, 503, a stall, or damaged bytes.

        Args:
            server: where.
            error: for the log.
        """
        with self._lock:
            now = self._clock()
            if (member := self._end(server, now)) is None:
                return
            failures = self._fail(member, now)
        if failures:
            _log_ejection(server, failures, error)

    def overtaken(self, server: Server) -> None:
        """A late request was cancelled, because the response of its hedge came first. Counts as a failure."""
        with self._lock:
            now = self._clock()
            if (member := self._end(server, now)) is None:
                return
            member.overtaken += 1
            member.avoided_until = now + AVOIDED_SECONDS
            self._totals.hedges_won += 1
            failures = self._fail(member, now)
        if failures:
            _log_ejection(server, failures, "later than a second server")

    def cancelled(self, server: Server) -> None:
        """A request was cancelled for a reason that says nothing about its server."""
        with self._lock:
            self._end(server, self._clock())

    def due_probes(self) -> tuple[Server, ...]:
        """Return the ejected and excluded servers whose pause is over. Ask each for /readyz and call `probed`.

        A server is returned once, and again after another pause if `probed` is not called. An excluded server that is
        ready gets requests again, and is excluded again if it refuses their digest.
        """
        with self._lock:
            now = self._clock()
            due = [m for m in self._members.values() if not m.removed and m.health.probe_is_due(now)]
            for member in due:
                member.health.begin_probe(now)
            return tuple(member.server for member in due)

    def probed(self, server: Server, ready: bool) -> None:
        """Use a server again if its /readyz says that it is ready; otherwise begin a longer pause."""
        with self._lock:
            member = self._members.get(server)
            if member is None or member.health.usable:
                return
            now = self._clock()
            if not ready:
                member.health.fail_probe(now)
                return
            member.health.bring_back(now)
            self._typical_seconds.clear()
        log.info("%s is ready and used again", server.url)

    def update(self, urls: Iterable[str]) -> None:
        """Use these servers from now on, and remove the others. What is known of those that stay is kept.

        Nothing changes if there are no URLs: a name that resolves to nothing is more likely a fault than intended.
        """
        servers = dict.fromkeys(Server(url) for url in urls)
        if not servers:
            return
        with self._lock:
            members = {
                server: self._members.get(server) or Member(server, server_salt(server.url)) for server in servers
            }
            leaving = {server: m for server, m in self._members.items() if server not in servers and m.in_flight}
            for member in members.values():
                member.removed = False
            for member in leaving.values():
                member.removed = True
            self._members = members | leaving
            self._use_one()

    def excluded(self, server: Server, reason: str) -> None:
        """Leave a server out, because it makes other samples.

        Args:
            server: where.
            reason: for the log and for `NoServerLeftError`.
        """
        with self._lock:
            member = self._members.get(server)
            if member is None or member.health.exclusion is not None:
                return
            member.health.exclude(reason, self._clock())
            self._use_one()
        log.warning("%s is left out: %s", server.url, reason)

    def statistics(self) -> FleetStatistics:
        """Return all counts."""
        with self._lock:
            totals = self._totals
            return FleetStatistics(
                requests=totals.requests, failures=totals.failures, ejections=totals.ejections, hedges=totals.hedges,
                hedges_won=totals.hedges_won, hedges_refunded=totals.hedges_refunded,
                servers=tuple(member.statistics() for member in self._members.values() if not member.removed),
            )  # fmt: skip

    def _best(self, without: Collection[Server], now: float) -> list[Member]:
        """Return the members of the best kind of which there are any."""
        if on_time := list(self._not_late(now, without) if without else self._on_time(now, ())):
            return on_time
        accepted = self._accepted()
        if not accepted:
            reasons = {m.server.url: m.health.exclusion or "" for m in self._members.values() if not m.removed}
            raise NoServerLeftError(reasons)
        left = [member for member in accepted if member.server not in without]
        usable = [member for member in left if member.usable]
        return usable or left or accepted

    def _accepted(self) -> list[Member]:
        return [m for m in self._members.values() if not m.removed and m.health.exclusion is None]

    def _on_time(self, now: float, without: Collection[Server]) -> Iterator[Member]:
        """Yield the usable members that are not late with a request."""
        for member in self._members.values():
            if member.usable and member.server not in without and not member.is_late(now, self._typical):
                yield member

    def _not_late(self, now: float, without: Collection[Server]) -> Iterator[Member]:
        """Yield the usable members that are not late; if there are none, the ejected ones without a request."""
        member = None
        for member in self._on_time(now, without):
            yield member
        if member is None:
            idle = (m for m in self._accepted() if m.health.ejected and not m.in_flight)
            yield from (m for m in idle if m.server not in without)

    def _may_hedge(self, member: Member) -> bool:
        """Return whether the budget allows it. A server that is not used has been refunded already."""
        return self._budget.is_left or not member.usable

    def _typical(self, kind: str) -> float | None:
        """Return the typical latency of a kind: the median of the servers, so that a few slow ones do not matter.

        While most have had too few requests, the median of all their requests together: a trainer has hundreds of
        servers long before it has ten latencies of each. The first is cached until it or the servers change, because
        many servers take time.
        """
        if kind not in self._typical_seconds:
            percentiles = [member.latencies.percentile(kind) for member in self._members.values() if member.usable]
            self._typical_seconds[kind] = typical_latency(percentiles)
        median = self._typical_seconds[kind]
        return self._latencies.median(kind) if median is None else median

    def _end(self, server: Server, now: float) -> Member | None:
        """End a request; return its server's member, or None if there is no such request."""
        member = self._members.get(server)
        if member is None or not member.in_flight:
            return None
        member.end(now)
        if member.removed and not member.in_flight:
            del self._members[server]
        return member

    def _fail(self, member: Member, now: float) -> int:
        """Count a failure; return the number of failures in a row that eject the server now, or 0."""
        member.failures += 1
        self._totals.failures += 1
        member.health.fail()
        others = any(other.usable for other in self._members.values() if other is not member)
        if not (member.usable and member.health.failing and others):
            return 0
        member.health.eject(now)
        self._typical_seconds.clear()
        self._totals.ejections += 1
        self._totals.hedges_refunded += member.unrefunded
        self._budget.refund(member.unrefunded)
        member.unrefunded = 0
        return member.health.failures

    def _use_one(self) -> None:
        """Use all ejected servers again if no other is left."""
        self._typical_seconds.clear()
        accepted = self._accepted()
        if accepted and not any(member.usable for member in accepted):
            for member in accepted:
                member.health.bring_back(self._clock())


def _log_ejection(server: Server, failures: int, error: object) -> None:
    log.warning("%s is ejected after %d failures in a row: %s", server.url, failures, error)


def _any(members: Iterator[Member]) -> bool:
    return next(members, None) is not None


def _choose(key: bytes, members: list[Member]) -> Member:
    return members[choose(key, [Candidate(member.salt, member.in_flight) for member in members])]
