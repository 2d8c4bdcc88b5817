"""When a worker is considered stopped: limits that follow from the times of recent samples."""

import asyncio

import pytest

from sampler.stream.keys import SampleKey
from service.workers.lateness import LEAST_SECONDS, LEAST_VIEW_SECONDS, LOOK_SECONDS, RECENT, RunningClock, SampleTimes
from service.workers.process import WorkerProcess
from service.workers.protocol import ImagesJob, Outcome, Reply, ViewJob
from service.workers.seats import Seat, Ticket

# --- the limit ---


def times(*recent: tuple[float, int], longest: float = 60.0) -> SampleTimes:
    found = SampleTimes(longest)
    for seconds, samples in recent:
        found.add(seconds, samples)
    return found


def test_samples_that_take_milliseconds_are_late_after_the_least_time() -> None:
    fast = times((0.1, 100), (0.2, 100))
    assert fast.limit() == LEAST_SECONDS
    assert not fast.is_late(LEAST_SECONDS)
    assert fast.is_late(LEAST_SECONDS + 0.1)


def test_the_least_time_can_be_longer_for_images_from_other_hosts() -> None:
    remote = SampleTimes(60.0, 45.0)
    assert remote.limit() == 45.0
    assert not remote.is_late(45.0)
    assert remote.is_late(45.1)


def test_slow_samples_raise_the_limit_to_twenty_times_their_time() -> None:
    assert times((2.0, 2), (0.5, 1)).limit() == 20.0


def test_one_sample_in_a_hundred_may_be_slower_than_the_limit_allows_for() -> None:
    assert times((0.99, 99), (7.0, 1)).limit() == LEAST_SECONDS
    assert times((0.98, 98), (14.0, 2), longest=600.0).limit() == 20 * 7.0


def test_no_sample_has_longer_than_the_longest_time() -> None:
    assert times((30.0, 1)).limit() == 60.0
    assert times(longest=1.0).is_late(1.1)


def test_a_sample_that_was_late_has_four_times_as_long_each_time() -> None:
    assert [times(longest=90.0).limit(repetitions) for repetitions in range(4)] == [5.0, 20.0, 80.0, 90.0]


def test_only_recent_samples_count() -> None:
    slow_before = times((3000.0, RECENT), *[(0.1, 50)] * (RECENT // 50))
    assert slow_before.limit() == LEAST_SECONDS
    assert times((3000.0, RECENT), *[(0.1, 50)] * 2).limit() == 60.0


# --- the clock ---


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_clock_counts_the_time_in_which_the_server_runs() -> None:
    hand = Hand()
    clock = RunningClock(hand)
    start = clock.now()
    for _ in range(10):
        hand.seconds += LOOK_SECONDS
        clock.now()
    assert clock.now() - start == 10 * LOOK_SECONDS
    hand.seconds += 3600  # stopped, or suspended
    assert clock.now() - start <= 10 * LOOK_SECONDS + RunningClock.LONGEST


# --- the seat of a worker ---


class StoppedWorker(WorkerProcess):
    """A worker that takes jobs and does nothing."""

    def __init__(self) -> None:
        self.killed = 0

    def send(self, job: bytes) -> None:
        pass

    def kill(self) -> None:
        self.killed += 1

    def disconnect(self) -> None:
        pass


def ticket(number: int = 1) -> Ticket:
    return Ticket(number, ImagesJob((0,)), asyncio.Future(), b"")


def test_a_late_worker_is_killed_once_and_its_sample_is_not_blamed_before_it_had_the_longest_time() -> None:
    async def scene() -> None:
        known, job = times((0.1, 100)), ticket()
        attempts = []
        for limit in (5.0, 20.0, 60.0, 60.0):
            worker = StoppedWorker()
            seat = Seat(worker)
            seat.send(job, 100.0)
            assert not seat.is_late(100.0 + limit, known)
            assert seat.is_late(100.1 + limit, known)
            assert f"limit {limit} s" in seat.end_late(100.1 + limit, known)
            assert not seat.is_late(999.0, known)
            assert worker.killed == 1
            attempts.append(job.attempts)
        assert attempts == [0, 0, 1, 2]

    asyncio.run(scene())


def view_ticket(index: int = 3) -> Ticket:
    return Ticket(1, ViewJob("picture", 0, (SampleKey(0, 0, index),)), asyncio.Future(), b"")


def test_a_view_has_more_time_than_a_sample_and_is_blamed_at_once() -> None:
    async def scene() -> None:
        known, seat, view = times((0.1, 100)), Seat(StoppedWorker()), view_ticket()
        seat.send(view, 100.0)
        assert not seat.is_late(99.0 + LEAST_VIEW_SECONDS, known)
        assert seat.is_late(101.0 + LEAST_VIEW_SECONDS, known)
        assert "a view of sample" in seat.end_late(101.0 + LEAST_VIEW_SECONDS, known)
        assert (view.attempts, view.repetitions) == (1, 0)

    asyncio.run(scene())


def test_a_view_that_training_waits_for_has_the_time_of_a_sample_once_and_is_not_blamed() -> None:
    async def scene() -> None:
        known, view = times((0.1, 100)), view_ticket()
        for limit, view.was_late in ((5.0, False), (0.0, True), (0.0, True)):
            seat = Seat(StoppedWorker())
            seat.send(view, 100.0)
            assert view.was_late or not seat.is_late(100.0 + limit, known, leisurely=False)
            assert not seat.is_late(100.1 + limit, known, leisurely=True)
            assert seat.is_late(100.1 + limit, known, leisurely=False)
            assert "training waits for it" in seat.end_late(100.1 + limit, known, leisurely=False)
            assert seat.cause == "view"
        assert (view.attempts, view.repetitions) == (0, 0)

    asyncio.run(scene())


def test_a_worker_without_a_job_is_not_late_and_the_time_of_a_job_begins_with_it() -> None:
    async def scene() -> None:
        known, seat = times(), Seat(StoppedWorker())
        assert not seat.is_late(1000.0, known)
        seat.send(ticket(1), 1000.0)
        seat.send(ticket(2), 1000.0)
        seat.finish_oldest(Reply(1, Outcome.DONE, b""), 1004.0, known)
        assert known.limit() == 60.0
        assert not times().is_late(1005.0 - seat.since)
        assert known.percentile() == pytest.approx(4.0)

    asyncio.run(scene())
