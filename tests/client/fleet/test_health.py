"""Ejection and exclusion of one server, and its return."""

from client.fleet.health import EJECT_AFTER, FIRST_PAUSE, LONGEST_PAUSE, Health


def pause_of(health: Health, now: float) -> float:
    """Return the seconds from `now` until the next probe."""
    seconds = 0.0
    while not health.probe_is_due(now + seconds):
        seconds += 1.0
    return seconds


def test_only_failures_in_a_row_count() -> None:
    health = Health()
    for _ in range(3):
        for _ in range(EJECT_AFTER - 1):
            health.fail()
        assert not health.failing
        health.succeed(0.0)
    for _ in range(EJECT_AFTER):
        health.fail()
    assert health.failing


def test_the_pause_grows_with_each_failed_probe_up_to_a_limit() -> None:
    health, now, pauses = Health(), 50.0, []
    health.eject(now)
    for _ in range(6):
        pauses.append(pause_of(health, now))
        now += pauses[-1]
        health.fail_probe(now)
    assert pauses == [10, 20, 40, 80, 160, 160]
    assert LONGEST_PAUSE == 160


def test_the_pause_grows_if_the_server_fails_again_soon_after_its_return() -> None:
    health = Health()
    health.eject(0.0)
    health.bring_back(10.0)
    health.eject(12.0)
    assert pause_of(health, 12.0) == 2 * FIRST_PAUSE
    health.bring_back(32.0)
    health.eject(32.0 + 2 * FIRST_PAUSE)
    assert pause_of(health, 72.0 - 2 * FIRST_PAUSE) == FIRST_PAUSE


def test_a_success_brings_an_ejected_server_back_but_no_excluded_one() -> None:
    health = Health()
    health.eject(0.0)
    assert (health.state, health.usable) == ("ejected", False)
    health.succeed(1.0)
    assert (health.state, health.usable) == ("used", True)
    health.exclude("other digest", 20.0)
    health.succeed(21.0)
    assert (health.state, health.usable) == ("excluded", False)
    assert pause_of(health, 20.0) == FIRST_PAUSE
    health.bring_back(30.0)
    assert health.usable


def test_a_probe_without_a_result_is_repeated_after_a_pause() -> None:
    health = Health()
    health.eject(0.0)
    health.begin_probe(FIRST_PAUSE)
    assert not health.probe_is_due(FIRST_PAUSE)
    assert health.probe_is_due(2 * FIRST_PAUSE)
