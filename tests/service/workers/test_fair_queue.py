"""Owners of a fair queue take turns."""

import pytest

from service.workers.fair_queue import FairQueue


def test_a_short_queue_is_served_after_a_few_turns_however_long_the_others_are() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(1000):
        for greedy in ("a", "b", "c"):
            queue.put(greedy, f"{greedy}{number}")
    for number in range(3):
        queue.put("small", f"small{number}")
    taken = [queue.take() for _ in range(12)]
    assert [item for item in taken if item.startswith("small")] == ["small0", "small1", "small2"]


def test_items_of_one_owner_keep_their_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(5):
        queue.put("one", number)
    assert [queue.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert not queue
    with pytest.raises(IndexError):
        queue.take()


def test_items_put_first_are_taken_first() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put("one", "later")
    queue.put_first("again")
    assert list(queue) == ["again", "later"]
    assert [queue.take(), queue.take()] == ["again", "later"]
