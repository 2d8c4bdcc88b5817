"""What a client of several servers counted."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """Counts of one server.

    Attributes:
        url: of the server.
        state: "used", "ejected" or "excluded".
        in_flight: requests that the client waits for.
        requests: requests sent, hedges included.
        failures: failed requests, those overtaken by a hedge included.
        ejections: how often the server was ejected.
        hedged: requests that were also sent to a second server.
        overtaken: of these, those that the second server answered first.
        seconds: 95th percentile of the latency, of the kind of request that came last; None with too few requests.
    """

    url: str
    state: str
    in_flight: int
    requests: int
    failures: int
    ejections: int
    hedged: int
    overtaken: int
    seconds: float | None

    def after(self, earlier: "ServerStatistics | None") -> "ServerStatistics":
        """Return these counts added to those of an earlier client."""
        if earlier is None:
            return self
        return replace(self, **{name: getattr(self, name) + getattr(earlier, name) for name in _SERVER_SUMS})


@dataclass(frozen=True, slots=True)
class FleetStatistics:
    """Counts of a client of several servers. Sums include servers that were removed.

    Attributes:
        requests: requests placed, hedges not included.
        failures: failed requests, those overtaken by a hedge included.
        ejections: ejections of servers.
        hedges: requests sent to a second server because the first was late.
        hedges_won: of these, those that the second server answered first.
        hedges_refunded: hedges that do not count in the budget, because their cause was then ejected.
        servers: the servers of now.
    """

    requests: int
    failures: int
    ejections: int
    hedges: int
    hedges_won: int
    hedges_refunded: int
    servers: tuple[ServerStatistics, ...]

    def after(self, earlier: "FleetStatistics | None") -> "FleetStatistics":
        """Return these counts added to those of an earlier client of the same servers, whose servers are not listed."""
        if earlier is None:
            return self
        before = {server.url: server for server in earlier.servers}
        servers = tuple(server.after(before.get(server.url)) for server in self.servers)
        sums = {name: getattr(self, name) + getattr(earlier, name) for name in _SUMS}
        return replace(self, servers=servers, **sums)


_SUMS = ("requests", "failures", "ejections", "hedges", "hedges_won", "hedges_refunded")
_SERVER_SUMS = ("requests", "failures", "ejections", "hedged", "overtaken")
