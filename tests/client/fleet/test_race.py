"""The attempts at one operation, with a clock that the test sets."""

import math

import pytest

from client.errors import (
    ClientError,
    DigestMismatchError,
    RequestRefusedError,
    SampleError,
    ServerUnavailableError,
    TransferError,
)
from client.fleet.member import Server
from client.fleet.members import Fleet
from client.fleet.race import LOOK_SECONDS, STOPPED_SECONDS, Attempt, Race
from client.protocol.retries import RetrySettings
from tests.support.clock import Clock

URLS = ("http://a:1", "http://b:1", "http://c:1")
KEY = b"key"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(URLS, clock)


def race_of(
    fleet: Fleet,
    clock: Clock,
    attempts: int = 3,
    max_wait: float = 10.0,
    batch_seconds: float | None = 300.0,
    tolerance: float = math.inf,
) -> Race:
    """A race which, unless `tolerance` is given, need not be looked at in time."""
    return Race(fleet, KEY, RetrySettings(attempts, max_wait, batch_seconds), clock, tolerance=tolerance)


def begin(race: Race) -> Attempt:
    """The one attempt that begins now."""
    (attempt,) = race.begin()
    return attempt


def busy(wait: float | None = None) -> ServerUnavailableError:
    return ServerUnavailableError("busy", retry_after=wait)


def in_flight(fleet: Fleet) -> int:
    return sum(row.in_flight for row in fleet.statistics().servers)


def test_the_first_answer_wins(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    attempt = begin(race)
    assert race.begin() == []
    clock.now += 0.1
    assert race.win(attempt) == []
    assert (race.over, race.error, in_flight(fleet)) == (True, None, 0)


def test_a_failed_attempt_is_followed_by_one_at_another_server_at_once(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    asked = []
    for _ in URLS:
        attempt = begin(race)
        asked.append(attempt.server)
        race.lose(attempt, busy())
    assert set(asked) == {Server(url) for url in URLS}
    assert race.begin() == []


def test_a_round_is_followed_by_a_wait(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    for _ in URLS:
        race.lose(begin(race), busy(7.0))
    assert race.wait() == pytest.approx(7.0)
    clock.now += 7.0
    assert begin(race).server in {Server(url) for url in URLS}


@pytest.mark.parametrize("attempts", [1, 3])
def test_the_rounds_are_the_attempts_of_a_client(fleet: Fleet, clock: Clock, attempts: int) -> None:
    race = race_of(fleet, clock, attempts)
    made = 0
    while not race.over:
        clock.now += race.wait()
        race.lose(begin(race), busy())
        made += 1
    assert made == attempts * len(URLS)
    assert isinstance(race.error, ServerUnavailableError)
    assert race.error.attempts == attempts


def test_the_deadline_holds_over_all_rounds(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock, attempts=1000, max_wait=1.0, batch_seconds=20.0)
    while not race.over:
        clock.now += race.wait()
        race.lose(begin(race), busy())
    assert 119.0 <= clock.now <= 121.0
    assert "gave up after batch_seconds = 20.0" in str(race.error)


def test_without_a_deadline_it_is_infinite(fleet: Fleet, clock: Clock) -> None:
    assert race_of(fleet, clock, batch_seconds=None).left == math.inf


def test_a_late_attempt_gets_a_hedge_whose_answer_counts(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    first = begin(race)
    assert race.begin() == []
    clock.now += 1.0
    second = begin(race)
    assert second.server != first.server
    clock.now += 0.1
    assert race.win(second) == [first]
    assert (fleet.statistics().hedges_won, in_flight(fleet)) == (1, 0)


def test_a_hedge_is_cancelled_if_the_first_answers_after_all(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    first = begin(race)
    clock.now += 1.0
    second = begin(race)
    assert race.win(first) == [second]
    statistics = fleet.statistics()
    assert (statistics.hedges, statistics.hedges_won, statistics.failures, in_flight(fleet)) == (1, 0, 0, 0)


def test_a_hedge_goes_on_alone_if_the_first_fails(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    first = begin(race)
    clock.now += 1.0
    second = begin(race)
    race.lose(first, busy())
    assert race.begin() == []
    assert race.win(second) == []
    assert (fleet.statistics().hedges_won, in_flight(fleet)) == (0, 0)


def test_an_answer_after_the_end_is_ignored(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    first = begin(race)
    clock.now += 1.0
    second = begin(race)
    race.win(second)
    assert race.win(first) == []
    race.lose(first, busy())
    assert (race.error, in_flight(fleet)) == (None, 0)


def test_an_attempt_that_receives_nothing_has_failed(fleet: Fleet, clock: Clock) -> None:
    for number in range(100):
        fleet.finished(fleet.place(b"%d" % number), 0.01)
    race = race_of(fleet, clock)
    attempt = begin(race)
    limit = fleet.stalled_after(attempt.server)
    assert limit is not None
    clock.now += 0.9 * limit
    race.hear(attempt, 1000)
    clock.now += 0.9 * limit
    race.hear(attempt, 1000)
    assert race.stalled() == []
    clock.now += 0.2 * limit
    assert race.stalled() == [attempt]
    assert begin(race).server != attempt.server


def test_a_time_in_which_the_client_did_not_run_makes_nothing_late(fleet: Fleet, clock: Clock) -> None:
    for number in range(100):
        fleet.finished(fleet.place(b"%d" % number), 0.2)
    race = race_of(fleet, clock, batch_seconds=20.0, tolerance=STOPPED_SECONDS)
    clock.now += 30.0
    attempt = begin(race)
    clock.now += 30.0
    assert race.begin() == race.stalled() == []
    clock.now += race.wait() + 30.0
    assert race.begin() == race.stalled() == []
    assert race.left == pytest.approx(20.0 - LOOK_SECONDS)
    assert clock.now - attempt.begun == pytest.approx(LOOK_SECONDS)
    race.win(attempt)
    assert fleet.statistics().failures == 0


def test_a_look_that_is_a_little_late_counts(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock, batch_seconds=20.0, tolerance=STOPPED_SECONDS)
    begin(race)
    before = clock.now
    clock.now += race.wait() + STOPPED_SECONDS
    assert race.begin() == []
    assert race.left == pytest.approx(before + 20.0 - clock.now)


def test_all_attempts_have_failed_at_the_deadline(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock, batch_seconds=2.0)
    attempts = []
    while not race.over:
        attempts += race.begin()
        race.hear(attempts[-1], 1234)
        clock.now += race.wait()
        race.stalled()
    assert clock.now == pytest.approx(102.0)
    assert len(attempts) > 1
    assert (race.running, in_flight(fleet)) == ([], 0)
    assert "no complete response in time: received 1,234 bytes; gave up after batch_seconds = 2.0" in str(race.error)


@pytest.mark.parametrize(
    "error",
    [SampleError("no image", problem={"status": 500}), RequestRefusedError("invalid", problem={"status": 422})],
)
def test_what_the_operation_is_to_blame_for_harms_no_server(fleet: Fleet, clock: Clock, error: ClientError) -> None:
    race = race_of(fleet, clock)
    while not race.over:
        race.lose(begin(race), error)
    assert race.error is error
    assert error.attempts == 1
    assert fleet.statistics().failures == 0


@pytest.mark.parametrize("status", [None, 401, 404])
def test_a_refusal_that_only_one_server_gives_is_its_failure(fleet: Fleet, clock: Clock, status: int | None) -> None:
    race = race_of(fleet, clock)
    race.lose(begin(race), RequestRefusedError("no", problem={} if status is None else {"status": status}))
    race.win(begin(race))
    assert (race.error, fleet.statistics().failures) == (None, 1)


def test_what_may_pass_is_waited_for_although_another_error_would_not(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock, attempts=2)
    lasting = SampleError("no image")
    errors = [busy(), lasting, busy()] * 2
    for error in errors:
        clock.now += race.wait()
        race.lose(begin(race), error)
    assert race.error is lasting
    assert lasting.attempts == 2


def test_servers_with_other_digests_are_left_out_until_none_is_left(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    for _ in URLS:
        race.lose(begin(race), DigestMismatchError("other", expected="d1", actual="d2"))
    assert race.begin() == []
    assert isinstance(race.error, DigestMismatchError)
    assert (race.error.expected, race.error.actual) == ("d1", "d2")
    assert all(url in str(race.error) for url in URLS)


def test_damaged_responses_are_counted(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock, attempts=1)
    for _ in URLS:
        race.lose(begin(race), TransferError("corrupt", damaged=1))
    assert isinstance(race.error, TransferError)
    assert (race.damaged, race.error.damaged) == (3, 3)


def test_an_error_that_is_no_client_error_ends_the_race(fleet: Fleet, clock: Clock) -> None:
    race, bug = race_of(fleet, clock), ZeroDivisionError()
    first = begin(race)
    clock.now += 1.0
    begin(race)
    race.lose(first, bug)
    assert (race.error, in_flight(fleet)) == (bug, 0)


def test_an_abandoned_race_returns_what_runs(fleet: Fleet, clock: Clock) -> None:
    race = race_of(fleet, clock)
    attempt = begin(race)
    assert race.abandon() == [attempt]
    assert (race.over, in_flight(fleet)) == (True, 0)
