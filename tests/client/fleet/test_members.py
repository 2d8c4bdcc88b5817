"""The servers of a client: placement, ejection, hedging, changes of the servers."""

from client.fleet.members import Fleet, Server
from client.fleet.placement import placement_key

URLS = ["http://a:8000", "http://b:8000", "http://c:8000"]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def at(fleet: Fleet, server: Server) -> None:
    """Place a request at one server."""
    assert fleet.place(b"", [other for other in fleet.servers if other != server]) == server


def fail(fleet: Fleet, server: Server, count: int) -> None:
    for _ in range(count):
        at(fleet, server)
        fleet.failed(server, "refused")


def key(step: int) -> bytes:
    return placement_key("digest", 7, step, 0, 1)


def test_the_same_step_goes_to_the_same_server_in_every_fleet() -> None:
    first, second = Fleet(URLS, Clock()), Fleet(reversed(URLS), Clock())
    for step in range(100):
        server = first.place(key(step))
        assert server == second.place(key(step))
        first.finished(server, 0.01)
        second.finished(server, 0.01)


def test_a_server_is_ejected_after_five_failures_in_a_row_and_back_after_a_probe() -> None:
    clock = Clock()
    fleet = Fleet(URLS, clock)
    bad = Server(URLS[0])
    fail(fleet, bad, 5)
    assert bad not in {fleet.place(key(step)) for step in range(100)}
    assert fleet.due_probes() == ()
    clock.now += 10
    assert fleet.due_probes() == (bad,)
    fleet.probed(bad, ready=True)
    assert bad in {fleet.place(key(step)) for step in range(100)}
