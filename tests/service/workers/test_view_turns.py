"""Views get idle workers, and else a small share of the workers' time."""

from service.workers.view_turns import QUIET_SECONDS, SAVED_SECONDS, SHARE, ViewTurns

VIEW_SECONDS = 0.03


def seconds_of_views(seconds: float, workers: int) -> float:
    """Seconds of views on workers that training keeps busy, with endless views of 30 ms."""
    turns, now, used = ViewTurns(workers), 0.0, 0.0
    while now < seconds:
        turns.begin_training()
        turns.end_training(now)
        turn = turns.next(now, spare=False)
        if turn is not None:
            turns.begin(turn)
            assert turns.next(now, spare=False) is None  # one at a time
            now += VIEW_SECONDS
            turns.end(turn, VIEW_SECONDS)
            used += VIEW_SECONDS
        now += 0.01
    return used


def test_on_busy_workers_views_take_no_more_than_their_share() -> None:
    for workers in (1, 2, 16):
        used = seconds_of_views(1000.0, workers)
        limit = SHARE * workers * (1000.0 + SAVED_SECONDS) + VIEW_SECONDS
        assert 0.9 * min(limit, 1000.0 * VIEW_SECONDS / (VIEW_SECONDS + 0.01)) <= used <= limit


def test_a_share_that_was_not_used_lets_the_first_views_begin_at_once() -> None:
    turns = ViewTurns(2)
    saved = round(SHARE * 2 * SAVED_SECONDS / VIEW_SECONDS)
    for _ in range(saved):
        turn = turns.next(0.0, spare=False)
        assert turn == "share"
        turns.begin(turn)
        turns.end(turn, VIEW_SECONDS)


def test_a_view_that_takes_long_keeps_others_waiting_for_a_bounded_time() -> None:
    turns = ViewTurns(2)
    turns.begin("share")
    turns.end("share", 60.0)
    assert turns.next(SAVED_SECONDS - 0.1, spare=False) is None
    assert turns.next(SAVED_SECONDS + 0.1, spare=False) == "share"


def test_half_of_the_workers_stay_free_of_views_while_something_trains() -> None:
    turns = ViewTurns(4)
    turns.begin_training()
    turns.begin("share")
    for _ in range(2):
        assert turns.next(100.0, spare=True) == "spare"
        turns.begin("spare")
    assert turns.next(100.0, spare=True) is None
    assert turns.next(100.0 + QUIET_SECONDS, spare=True) is None, "the job is not done yet"
    turns.end_training(200.0)
    assert turns.next(200.0, spare=True) is None
    assert turns.next(200.0 + QUIET_SECONDS, spare=True) == "spare"


def test_a_single_worker_makes_views_too() -> None:
    turns = ViewTurns(1)
    turns.begin_training()
    turns.begin("share")
    assert turns.next(0.0, spare=True) == "spare"
