"""Many wait for few workers: each gets its turn."""

import pytest

from service.batches.scheduler import Lanes


def test_a_short_lane_is_done_after_a_few_turns_however_long_the_others_are() -> None:
    lanes: Lanes[str] = Lanes()
    for number in range(1000):
        for greedy in ("a", "b", "c"):
            lanes.put(greedy, f"{greedy}{number}")
    for number in range(3):
        lanes.put("small", f"small{number}")
    taken = [lanes.take() for _ in range(12)]
    assert [item for item in taken if item.startswith("small")] == ["small0", "small1", "small2"]


def test_a_lane_keeps_its_order() -> None:
    lanes: Lanes[int] = Lanes()
    for number in range(5):
        lanes.put("one", number)
    assert [lanes.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert not lanes
    with pytest.raises(IndexError):
        lanes.take()


def test_what_has_to_be_made_again_goes_first() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put("one", "later")
    lanes.put_first("again")
    assert list(lanes) == ["again", "later"]
    assert [lanes.take(), lanes.take()] == ["again", "later"]


def test_emptied_lanes_hold_nothing() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.put("one", "a")
    lanes.put_first("b")
    lanes.clear()
    assert list(lanes) == []
