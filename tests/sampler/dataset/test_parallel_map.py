"""Ordered parallel map with a bounded window."""

import threading
import time
from contextlib import closing

import pytest

from sampler.dataset.parallel_map import parallel_map


def test_results_are_in_the_order_of_the_items() -> None:
    last_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            last_is_done.set()
        else:
            assert last_is_done.wait(10)
        return item * item

    assert list(parallel_map(work, range(4), threads=4, window=4)) == [0, 1, 4, 9]


def test_no_more_items_are_consumed_than_the_window_allows() -> None:
    taken: list[int] = []
    items = (taken.append(item) or item for item in range(100))  # type: ignore[func-returns-value] # what counts is the note
    with closing(parallel_map(lambda item: item, items, threads=2, window=5)) as results:
        for count in range(1, 20):
            next(results)
            assert len(taken) <= 5 + count - 1
    assert len(taken) < 30


def test_an_error_is_raised_in_place_of_its_result() -> None:
    seen: list[int] = []

    def work(item: int) -> int:
        if item == 2:
            raise ValueError("item 2")
        return item

    with pytest.raises(ValueError, match="item 2"):
        seen.extend(parallel_map(work, range(50), threads=2, window=4))
    assert seen == [0, 1]


def test_closing_waits_for_started_items_and_starts_no_others() -> None:
    second_begun, began, ended = threading.Event(), list[int](), list[int]()

    def work(item: int) -> int:
        began.append(item)
        if item == 1:
            second_begun.set()
            time.sleep(0.2)
        ended.append(item)
        return item

    results = parallel_map(work, range(50), threads=1, window=10)
    assert next(results) == 0
    assert second_begun.wait(10)
    results.close()
    assert began == ended
    assert len(ended) <= 11, "nothing more was taken"


@pytest.mark.parametrize("late", [False, True])
def test_calls_that_wait_are_cancelled_if_their_results_are_not_taken(late: bool) -> None:
    """late: they begin to wait only after the caller has given up."""
    given_up, waiting, woken = threading.Event(), threading.Condition(), list[bool]()

    def work(item: int) -> int:
        if item:
            assert not late or given_up.wait(10)
            with waiting:
                woken.append(waiting.wait(10))
        return item

    def cancel() -> None:
        given_up.set()
        with waiting:
            waiting.notify_all()

    with closing(parallel_map(work, range(50), threads=3, window=10, cancel=cancel)) as results:
        assert next(results) == 0
    assert all(woken)
    assert len(woken) <= 3
