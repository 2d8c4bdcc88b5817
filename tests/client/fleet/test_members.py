"""The servers of a client: placement, ejection, hedging, changes of the servers."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client.fleet.health import EJECT_AFTER, FIRST_PAUSE
from client.fleet.hedging import COLD_SECONDS, CREDIT, ENOUGH, LATE_FACTOR, LEAST_SECONDS, STALL_SECONDS
from client.fleet.member import Member, Server
from client.fleet.members import AVOIDED_SECONDS, Fleet, NoServerLeftError
from client.fleet.placement import placement_key
from tests.support.clock import Clock

URLS = ["http://a:8000", "http://b:8000", "http://c:8000"]
A, B, C = map(Server, URLS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(URLS, clock)


def key(step: int) -> bytes:
    return placement_key("digest", 7, step, 0, 1)


def place_at(fleet: Fleet, server: Server) -> None:
    """Place a request at one server."""
    assert fleet.place(b"", [other for other in fleet.servers if other != server]) == server


def serve(fleet: Fleet, server: Server, seconds: float, count: int = ENOUGH) -> None:
    for _ in range(count):
        place_at(fleet, server)
        fleet.finished(server, seconds)


def fail(fleet: Fleet, server: Server, count: int = EJECT_AFTER) -> None:
    for _ in range(count):
        place_at(fleet, server)
        fleet.failed(server, "refused")


def chosen(fleet: Fleet, steps: int = 60) -> set[Server]:
    """Return the servers that get requests one after the other."""
    found = set()
    for step in range(steps):
        server = fleet.place(key(step))
        found.add(server)
        fleet.cancelled(server)
    return found


# --- placement ---


def test_the_same_step_goes_to_the_same_server_in_every_fleet(clock: Clock) -> None:
    first, second = Fleet(URLS, clock), Fleet(reversed(URLS), clock)
    for step in range(100):
        server = first.place(key(step))
        assert server == second.place(key(step))
        first.finished(server, 0.01)
        second.finished(server, 0.01)


def test_a_step_that_failed_goes_to_another_server(fleet: Fleet) -> None:
    server = fleet.place(key(1))
    fleet.failed(server, "refused")
    second = fleet.place(key(1), without=[server])
    fleet.failed(second, "refused")
    third = fleet.place(key(1), without=[server, second])
    assert {server, second, third} == {A, B, C}
    assert fleet.place(key(1), without=[A, B, C]) in {A, B, C}


def test_requests_of_several_threads_never_exceed_the_bounded_load(fleet: Fleet) -> None:
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda step: fleet.place(key(step)), range(300)))
    assert max(Counter(placed).values()) <= 125
    for server in placed:
        fleet.finished(server, 0.01)
    assert [row.in_flight for row in fleet.statistics().servers] == [0, 0, 0]


def test_a_fleet_needs_a_server() -> None:
    with pytest.raises(ValueError, match="at least one server"):
        Fleet([])


# --- ejection ---


def test_a_server_is_ejected_after_five_failures_in_a_row_and_back_after_a_probe(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, A, 4)
    serve(fleet, A, 0.01, 1)
    fail(fleet, A, 4)
    assert chosen(fleet) == {A, B, C}
    fail(fleet, A, 1)
    assert chosen(fleet) == {B, C}
    assert fleet.due_probes() == ()
    clock.now += FIRST_PAUSE
    assert fleet.due_probes() == (A,)
    assert fleet.due_probes() == (), "a server is probed by one thread"
    fleet.probed(A, ready=False)
    assert chosen(fleet) == {B, C}
    clock.now += 2 * FIRST_PAUSE
    assert fleet.due_probes() == (A,)
    fleet.probed(A, ready=True)
    assert chosen(fleet) == {A, B, C}


def test_the_last_server_is_never_ejected(fleet: Fleet) -> None:
    for server in (A, B, C):
        fail(fleet, server, 20)
    assert [row.state for row in fleet.statistics().servers] == ["ejected", "ejected", "used"]
    assert chosen(fleet) == {C}


def test_an_ejected_server_that_serves_a_request_is_back(fleet: Fleet) -> None:
    for server in (A, B, C):
        fail(fleet, server)
    second = fleet.place(key(1), without=[C])
    fleet.finished(second, 0.01)
    assert chosen(fleet) == {second, C}
    fail(fleet, C, 1)
    assert chosen(fleet) == {second}


# --- late requests ---


def test_a_hanging_server_of_which_nothing_is_known_is_late_after_a_second(fleet: Fleet) -> None:
    place_at(fleet, A)
    assert fleet.hedge_after(A) == COLD_SECONDS == 1.0
    assert fleet.stalled_after(A) is None


def test_a_hanging_server_is_judged_by_the_others(fleet: Fleet) -> None:
    serve(fleet, B, 0.02)
    serve(fleet, C, 0.04)
    place_at(fleet, A)
    assert fleet.hedge_after(A) == pytest.approx(0.1)
    assert fleet.stalled_after(A) == STALL_SECONDS


def test_of_many_servers_the_latencies_of_all_together_count_until_most_are_known(clock: Clock) -> None:
    fleet = Fleet([f"http://host-{number}:8000" for number in range(200)], clock)
    silent, *others = fleet.servers
    for server in others[:ENOUGH]:
        serve(fleet, server, 0.04, 1)
    place_at(fleet, silent)
    assert fleet.hedge_after(silent) == pytest.approx(0.2)
    assert fleet.stalled_after(silent) == STALL_SECONDS
    for server in others:
        serve(fleet, server, 0.02)
    serve(fleet, others[0], 3.0, 100)  # one of many that is slow does not matter
    assert fleet.hedge_after(silent) == pytest.approx(0.1)


def test_a_request_is_late_after_twice_the_95th_percentile_of_its_server(fleet: Fleet) -> None:
    for server in (A, B, C):
        serve(fleet, server, 0.1, 95)
        serve(fleet, server, 0.3, 5)
    assert fleet.hedge_after(A) == LATE_FACTOR * 0.1
    serve(fleet, A, 0.3, 3)
    assert fleet.hedge_after(A) == pytest.approx(5 * 0.1)  # bounded by the typical latency


def test_a_request_is_judged_by_those_of_its_kind(fleet: Fleet, clock: Clock) -> None:
    for server in (A, B, C):
        serve(fleet, server, 0.001, 100)
    assert fleet.place(b"", [B, C], "large") == A
    assert fleet.hedge_after(A, "large") == COLD_SECONDS
    assert fleet.stalled_after(A, "large") is None
    clock.now += COLD_SECONDS - 0.01
    place_at(fleet, B)
    assert fleet.hedge(b"", B, [C]) == A, "it is not late with a large request"
    fleet.finished(A, 0.001)
    fleet.finished(A, 3.0, "large")
    assert fleet.hedge_after(A) == LEAST_SECONDS


def test_a_late_request_is_sent_to_a_second_server_which_others_prefer_too(fleet: Fleet, clock: Clock) -> None:
    place_at(fleet, A)
    clock.now += COLD_SECONDS
    second = fleet.hedge(key(0), A)
    assert second in (B, C)
    assert chosen(fleet) == {B, C}
    fleet.finished(second, 0.02)
    fleet.overtaken(A)
    clock.now += AVOIDED_SECONDS
    assert chosen(fleet) == {A, B, C}
    totals = fleet.statistics()
    assert (totals.hedges, totals.hedges_won, totals.failures, totals.hedges_refunded) == (1, 1, 1, 0)


def test_a_hedge_that_is_late_too_is_hedged_elsewhere(fleet: Fleet, clock: Clock) -> None:
    place_at(fleet, A)
    clock.now += COLD_SECONDS
    second = fleet.hedge(key(0), A)
    assert second is not None
    clock.now += COLD_SECONDS
    third = fleet.hedge(key(0), second, without=[A])
    assert {A, second, third} == {A, B, C}


def test_a_silent_server_gets_no_hedge_and_no_request_even_before_it_is_reported(fleet: Fleet, clock: Clock) -> None:
    place_at(fleet, A)
    place_at(fleet, B)
    clock.now += COLD_SECONDS + 0.01
    assert fleet.hedge(key(0), A) == C
    assert fleet.place(key(1)) == C


def test_nothing_is_hedged_while_all_servers_are_late(fleet: Fleet, clock: Clock) -> None:
    for server in (A, B, C):
        place_at(fleet, server)
    clock.now += COLD_SECONDS + 0.01
    assert fleet.hedge_after(A) is None
    assert [fleet.hedge(key(0), server) for server in (A, B, C)] == [None, None, None]
    assert fleet.statistics().hedges == 0
    fleet.finished(B, COLD_SECONDS + 0.01)
    assert fleet.hedge_after(A) is None, "B was just late"
    place_at(fleet, B)
    fleet.finished(B, 0.02)
    assert fleet.hedge(key(0), A) == B


def test_no_request_has_stalled_while_all_servers_are_late(fleet: Fleet, clock: Clock) -> None:
    for server in (A, B, C):
        serve(fleet, server, 0.02)
        place_at(fleet, server)
    assert fleet.stalled_after(A) == STALL_SECONDS
    clock.now += 2.0
    assert [fleet.stalled_after(server) for server in (A, B, C)] == [None, None, None]
    fleet.finished(C, 2.0)
    assert fleet.stalled_after(A) is None, "C is as slow"
    place_at(fleet, C)
    fleet.finished(C, 0.02)
    assert fleet.stalled_after(A) == STALL_SECONDS


def test_one_server_alone_is_not_hedged_and_does_not_stall(clock: Clock) -> None:
    fleet = Fleet(URLS[:1], clock)
    serve(fleet, A, 0.01)
    place_at(fleet, A)
    clock.now += 100
    assert fleet.hedge_after(A) is None
    assert fleet.stalled_after(A) is None
    assert fleet.hedge(key(0), A) is None


def test_hedges_end_with_the_budget_and_go_on_when_it_is_earned(fleet: Fleet, clock: Clock) -> None:
    def late_once() -> bool:
        place_at(fleet, A)
        second = fleet.hedge(key(0), A)
        fleet.cancelled(A)
        if second is not None:
            fleet.cancelled(second)
        return second is not None

    assert [late_once() for _ in range(CREDIT + 3)] == [True] * CREDIT + [False] * 3
    assert fleet.hedge_after(A) is None
    serve(fleet, B, 0.01, 20)
    assert late_once()


def test_hedges_caused_by_a_server_that_is_then_ejected_do_not_count(fleet: Fleet) -> None:
    for round_ in range(3):
        for server in (A, B):
            for _ in range(EJECT_AFTER):
                place_at(fleet, server)
                second = fleet.hedge(key(0), server)
                assert second is not None, round_
                fleet.overtaken(server)
                fleet.finished(second, 0.01)
        assert chosen(fleet) == {C}
        for server in (A, B):
            place_at(fleet, server)
            fleet.finished(server, 0.01)
    totals = fleet.statistics()
    assert totals.hedges == totals.hedges_refunded == totals.hedges_won == 30
    assert totals.ejections == 6


def test_the_last_requests_of_an_ejected_server_are_hedged_for_nothing(fleet: Fleet) -> None:
    for _ in range(EJECT_AFTER + CREDIT + 1):
        place_at(fleet, A)
    for _ in range(EJECT_AFTER):
        fleet.failed(A, "refused")
    for _ in range(CREDIT + 1):
        second = fleet.hedge(key(0), A)
        assert second is not None
        fleet.finished(second, 0.01)
    totals = fleet.statistics()
    assert totals.hedges == totals.hedges_refunded == CREDIT + 1


def test_a_late_request_tries_an_ejected_server_if_all_others_are_late(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, A)
    place_at(fleet, B)
    place_at(fleet, C)
    clock.now += COLD_SECONDS + 0.01
    assert fleet.hedge(key(0), B) == A
    assert fleet.hedge(key(1), C) is None, "one request at a time"
    fleet.finished(A, 0.01)
    assert fleet.hedge(key(1), C) == A, "it is back"


def test_a_request_that_failed_tries_an_ejected_server_if_all_others_are_late(fleet: Fleet, clock: Clock) -> None:
    fail(fleet, A)
    place_at(fleet, B)
    place_at(fleet, C)
    clock.now += COLD_SECONDS + 0.01
    assert fleet.place(key(0)) in (B, C)
    assert fleet.place(key(0), without=[B]) == A


# --- changes of the servers ---


def test_added_servers_get_requests_and_removed_ones_do_not(fleet: Fleet) -> None:
    fleet.update([URLS[1], URLS[2], "http://d:8000"])
    assert chosen(fleet) == {B, C, Server("http://d:8000")} == set(fleet.servers)


def test_a_name_without_addresses_changes_nothing(fleet: Fleet) -> None:
    fleet.update([])
    assert fleet.servers == (A, B, C)


def test_what_is_known_of_a_server_stays_when_others_change(fleet: Fleet) -> None:
    fail(fleet, A)
    serve(fleet, B, 0.2)
    fleet.update(URLS[:2])
    rows = {row.url: row for row in fleet.statistics().servers}
    assert (rows[A.url].state, rows[B.url].seconds) == ("ejected", 0.2)


def test_requests_at_a_removed_server_go_on(fleet: Fleet) -> None:
    serve(fleet, B, 0.02)
    place_at(fleet, A)
    place_at(fleet, A)
    fleet.update(URLS[1:])
    assert A not in fleet.servers
    assert fleet.stalled_after(A) == STALL_SECONDS
    second = fleet.hedge(key(0), A)
    assert second in (B, C)
    fleet.overtaken(A)
    fleet.finished(second, 0.01)
    fleet.update(URLS)
    assert [row.in_flight for row in fleet.statistics().servers] == [1, 0, 0]
    fleet.failed(A, "cut")
    assert [row.in_flight for row in fleet.statistics().servers] == [0, 0, 0]


@pytest.mark.parametrize("end", [Fleet.cancelled, Fleet.overtaken, lambda fleet, server: fleet.finished(server, 1.0)])
def test_the_end_of_the_last_request_at_a_removed_server_forgets_it(
    fleet: Fleet, end: Callable[[Fleet, Server], None]
) -> None:
    place_at(fleet, A)
    fleet.update(URLS[1:])
    end(fleet, A)
    end(fleet, A)
    assert fleet.hedge_after(A) is None
    assert fleet.hedge(key(0), A) is None


def test_an_ejected_server_is_used_again_if_all_others_are_removed(fleet: Fleet) -> None:
    fail(fleet, A)
    fleet.update(URLS[:1])
    assert fleet.statistics().servers[0].state == "used"
    assert fleet.place(key(0)) == A


def test_a_server_with_another_digest_is_left_out_until_a_probe(
    fleet: Fleet, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "saccade_client.fleet"):
        fleet.excluded(B, "its samples are others")
    assert "http://b:8000 is left out: its samples are others" in caplog.text
    assert chosen(fleet) == {A, C}
    clock.now += FIRST_PAUSE
    assert fleet.due_probes() == (B,)
    fleet.probed(B, ready=True)
    assert chosen(fleet) == {A, B, C}


def test_there_is_no_server_left_when_all_have_another_digest(fleet: Fleet) -> None:
    fail(fleet, A)
    fleet.excluded(B, "first")
    fleet.excluded(C, "second")
    assert fleet.place(key(0), without=[A]) == A
    fleet.excluded(A, "third")
    with pytest.raises(NoServerLeftError, match=r"http://a:8000: third; http://b:8000: first; http://c:8000: second"):
        fleet.place(key(0))


def test_no_request_is_late_before_a_trainer_would_notice(fleet: Fleet) -> None:
    for server in (A, B, C):
        serve(fleet, server, 0.001)
    assert fleet.hedge_after(A) == LEAST_SECONDS


def test_what_handles_log_lines_may_ask_for_statistics(
    fleet: Fleet, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[tuple[str, list[str]]] = []

    def note(record: logging.LogRecord) -> bool:
        lines.append((record.getMessage(), [row.state for row in fleet.statistics().servers]))
        return True

    def change() -> None:
        fail(fleet, A)
        fleet.excluded(B, "its samples are others")
        clock.now += FIRST_PAUSE
        fleet.probed(B, ready=True)
        place_at(fleet, B)
        fail(fleet, B, EJECT_AFTER - 1)
        fleet.overtaken(B)

    log = logging.getLogger("saccade_client.fleet")
    log.addFilter(note)
    try:
        with caplog.at_level(logging.INFO, log.name):
            thread = threading.Thread(target=change, daemon=True)  # which hangs if a lock is held
            thread.start()
            thread.join(10)
    finally:
        log.removeFilter(note)
    assert lines == [
        (f"{A.url} is ejected after {EJECT_AFTER} failures in a row: refused", ["ejected", "used", "used"]),
        (f"{B.url} is left out: its samples are others", ["ejected", "excluded", "used"]),
        (f"{B.url} is ready and used again", ["ejected", "used", "used"]),
        (f"{B.url} is ejected after {EJECT_AFTER} failures in a row: later than a second server",
         ["ejected", "ejected", "used"]),
    ]  # fmt: skip


def test_a_running_request_costs_the_same_with_many_servers(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, judged = Fleet([f"http://host-{number}:8000" for number in range(200)], clock), 0
    server = fleet.place(key(0))

    def is_late(member: Member, *arguments: Any) -> bool:
        nonlocal judged
        judged += 1
        return original(member, *arguments)

    original = Member.is_late
    monkeypatch.setattr(Member, "is_late", is_late)
    assert fleet.hedge_after(server) is not None
    assert fleet.stalled_after(server) is None
    assert judged < 5
