"""What holds for a fleet whatever happens to its servers."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from client.fleet.hedging import CREDIT, REQUESTS_PER_HEDGE
from client.fleet.member import Server
from client.fleet.members import Fleet, NoServerLeftError
from client.fleet.placement import most_in_flight, placement_key
from client.fleet.statistics import ServerStatistics

URLS = [f"http://host-{number}:8000" for number in range(5)]
SERVERS = [Server(url) for url in URLS]
STEPS = st.integers(0, 1000)
SECONDS = st.sampled_from([0.001, 0.02, 0.1, 0.7, 5.0])
Placed = tuple[int, Server]
"""A step and the server that has the request."""


class FleetMachine(RuleBasedStateMachine):
    """A client that sends, hedges and ends requests, while time passes and servers come and go."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.urls = URLS[:3]
        self.fleet = Fleet(self.urls, lambda: self.now)
        self.in_flight: Counter[Server] = Counter()
        self.placed = 0
        self.excluded: set[str] = set()
        self.once_excluded: set[str] = set()

    def rows(self) -> dict[str, ServerStatistics]:
        return {row.url: row for row in self.fleet.statistics().servers}

    @rule(target=requests, step=STEPS)
    def place(self, step: int) -> Placed | object:
        if set(self.urls) == self.excluded:
            with pytest.raises(NoServerLeftError):
                self.fleet.place(placement_key("digest", step))
            return multiple()
        before = self.rows()
        server = self.fleet.place(placement_key("digest", step))
        assert before[server.url].state == "used", "others are chosen only if none is left, and one always is"
        self.placed += 1
        self.in_flight[server] += 1
        return step, server

    @rule(target=requests, request=consumes(requests))
    def fail_over(self, request: Placed) -> Placed | object:
        step, server = request
        self.fleet.failed(server, "refused")
        self.in_flight[server] -= 1
        if set(self.urls) == self.excluded:
            return multiple()
        second = self.fleet.place(placement_key("digest", step), without=[server])
        assert second != server or set(self.urls) - self.excluded == {server.url}
        self.placed += 1
        self.in_flight[second] += 1
        return step, second

    @rule(target=requests, request=requests)
    def hedge(self, request: Placed) -> Placed | object:
        step, server = request
        if not self.in_flight[server]:
            return multiple()
        announced, before = self.fleet.hedge_after(server), self.rows()
        second = self.fleet.hedge(placement_key("digest", step), server)
        assert (second is not None) == (announced is not None)
        if second is None:
            return multiple()
        assert second != server
        assert before[second.url].state == "used" or (before[second.url].state, before[second.url].in_flight) == (
            "ejected", 0
        )  # fmt: skip
        self.in_flight[second] += 1
        return step, second

    @rule(request=consumes(requests), seconds=SECONDS)
    def finish(self, request: Placed, seconds: float) -> None:
        self.now += seconds
        self.fleet.finished(request[1], seconds)
        self.in_flight[request[1]] -= 1

    @rule(request=consumes(requests), overtaken=st.booleans())
    def cancel(self, request: Placed, overtaken: bool) -> None:
        (self.fleet.overtaken if overtaken else self.fleet.cancelled)(request[1])
        self.in_flight[request[1]] -= 1

    @rule(seconds=st.sampled_from([0.01, 1.0, 10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(ready=st.booleans())
    def probe(self, ready: bool) -> None:
        before = self.rows()
        for server in self.fleet.due_probes():
            assert before[server.url].state != "used"
            self.fleet.probed(server, ready)
            if ready:
                self.excluded.discard(server.url)

    @rule(urls=st.lists(st.sampled_from(URLS), max_size=5))
    def resolve(self, urls: list[str]) -> None:
        self.fleet.update(urls)
        if urls:
            self.urls = list(dict.fromkeys(urls))
            kept = {row.url for row in self.fleet.statistics().servers if row.state == "excluded"}
            assert self.excluded & set(self.urls) <= kept <= self.once_excluded
            self.excluded = kept

    @rule(server=st.sampled_from(SERVERS))
    def exclude(self, server: Server) -> None:
        self.fleet.excluded(server, "other digest")
        self.once_excluded.add(server.url)
        if server.url in self.urls:
            self.excluded.add(server.url)

    @invariant()
    def all_servers_are_known_and_their_requests_counted(self) -> None:
        assert [server.url for server in self.fleet.servers] == self.urls
        for url, row in self.rows().items():
            assert row.in_flight == self.in_flight[Server(url)]

    @invariant()
    def not_all_are_ejected(self) -> None:
        states = [row.state for row in self.rows().values()]
        assert "used" in states or set(states) == {"excluded"}

    @invariant()
    def the_budget_is_not_exceeded(self) -> None:
        totals = self.fleet.statistics()
        assert totals.requests == self.placed
        assert totals.hedges - totals.hedges_refunded <= CREDIT + self.placed / REQUESTS_PER_HEDGE

    @invariant()
    def limits_are_ordered(self) -> None:
        for server in self.fleet.servers:
            late, stalled = self.fleet.hedge_after(server), self.fleet.stalled_after(server)
            assert late is None or stalled is None or late <= stalled


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


class BoundedLoadMachine(RuleBasedStateMachine):
    """A client of healthy servers. None has more than the bounded load when it gets a request."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(URLS, lambda: 0.0)
        self.in_flight: Counter[Server] = Counter()

    @rule(target=requests, step=STEPS)
    def place(self, step: int) -> Server:
        server = self.fleet.place(placement_key("digest", step))
        self.in_flight[server] += 1
        assert self.in_flight[server] <= most_in_flight(self.in_flight.total(), len(URLS))
        return server

    @rule(server=consumes(requests))
    def finish(self, server: Server) -> None:
        self.fleet.finished(server, 0.01)
        self.in_flight[server] -= 1


TestBoundedLoad = BoundedLoadMachine.TestCase
TestBoundedLoad.settings = settings(max_examples=50, deadline=None)
