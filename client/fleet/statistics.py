"""What a client of several servers counted."""

from dataclasses import dataclass


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
        seconds: 95th percentile of the latency; None with too few requests.
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
