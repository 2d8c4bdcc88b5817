"""Work that must not hold up other work gets its share of the time, and no more."""

from service.time_share import TimeShare


def test_work_gets_its_share_and_what_was_saved() -> None:
    share, now, worked = TimeShare(0.05, 10.0), 0.0, 0.0
    while now < 1000.0:
        wait = share.wait(now)
        now += max(wait, 0.003)
        if not wait:
            share.spend(0.003)
            worked += 0.003
    assert abs(worked - 0.05 * (1000.0 + 10.0)) < 0.01


def test_what_was_not_used_for_long_adds_up_to_a_bound() -> None:
    share = TimeShare(0.05, 10.0)
    share.spend(0.5)
    assert share.wait(1e6) == 0.0
    share.spend(0.499)
    assert share.wait(1e6) == 0.0
    share.spend(0.002)
    assert share.wait(1e6) > 0.0


def test_work_that_takes_long_keeps_the_next_waiting_for_a_bounded_time() -> None:
    share = TimeShare(0.05, 10.0)
    share.spend(3600.0)
    assert share.wait(0.0) == 10.0
    assert share.wait(9.0) < 1.001
    assert share.wait(10.001) == 0.0
