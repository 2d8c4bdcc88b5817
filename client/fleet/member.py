"""One server of a fleet: who it is, and what the fleet knows of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from client.fleet.health import Health
from client.fleet.hedging import LatenciesByKind, late_after
from client.fleet.statistics import ServerStatistics

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers of a fleet, identified by its URL."""

    url: str


@dataclass(slots=True)
class Member:
    """What a fleet knows of a server. Not thread-safe: the fleet has the lock.

    removed: it is no longer one of the client's, but requests are still in flight. quiet_since: when it last had no
    request in flight or ended one. kinds: of the requests since it last had none in flight. avoided_until: when its
    last late request is forgotten. unrefunded: hedges that it caused since its last success.
    """

    server: Server
    salt: int
    health: Health = field(default_factory=Health)
    latencies: LatenciesByKind = field(default_factory=LatenciesByKind)
    removed: bool = False
    in_flight: int = 0
    quiet_since: float = NEVER
    kinds: set[str] = field(default_factory=set)
    avoided_until: float = NEVER
    unrefunded: int = 0
    requests: int = 0
    failures: int = 0
    hedged: int = 0
    overtaken: int = 0

    @property
    def usable(self) -> bool:
        """Whether the server gets requests like all others."""
        return self.health.usable and not self.removed

    def begin(self, now: float, kind: str) -> Server:
        """Count a request of a kind; return the server."""
        if not self.in_flight:
            self.quiet_since = now
            self.kinds.clear()
        self.kinds.add(kind)
        self.in_flight += 1
        self.requests += 1
        return self.server

    def end(self, now: float) -> None:
        """Count a request that has ended."""
        self.in_flight -= 1
        self.quiet_since = now

    def is_late(self, now: float, typical: Callable[[str], float | None]) -> bool:
        """Return whether a request is, or was a moment ago. typical: latency of all servers for a kind."""
        if now < self.avoided_until:
            return True
        if not self.in_flight:
            return False
        limits = (late_after(self.latencies.percentile(kind), typical(kind)) for kind in self.kinds)
        return now - self.quiet_since > max(limits)

    def statistics(self) -> ServerStatistics:
        """Return the counts."""
        return ServerStatistics(
            url=self.server.url, state=self.health.state, in_flight=self.in_flight, requests=self.requests,
            failures=self.failures, ejections=self.health.ejections, hedged=self.hedged, overtaken=self.overtaken,
            seconds=self.latencies.percentile(self.latencies.latest),
        )  # fmt: skip
