"""A view that takes long ends one worker at most, and does not hold up training again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sampler.stream.keys import SampleKey
from service.errors.problems import ServiceError
from service.workers.late_views import MOST, LateViews
from service.workers.lateness import LEAST_SECONDS, LEAST_VIEW_SECONDS, LOOK_SECONDS, RunningClock
from service.workers.pool import WorkerPool
from service.workers.process import WorkerProcess
from service.workers.protocol import ImagesJob, Outcome, Reply, ViewJob, WorkerSetup
from service.workers.view_turns import QUIET_SECONDS, ViewTurns

HUGE, SMALL = 3, 4
TRAINING = ImagesJob((0,))


class SlowWorker(WorkerProcess):
    """A worker that replies when the test says so."""

    pid = 0

    def __init__(self) -> None:
        pass

    def send(self, job: bytes) -> None:
        pass

    def kill(self) -> None:
        pass

    def disconnect(self) -> None:
        pass


def view(index: int, seed: int = 0) -> ViewJob:
    return ViewJob("layers", 0, (SampleKey(seed, 0, index),))


class Scene:
    """A pool of slow workers whose clock is set by hand."""

    def __init__(self, setup: WorkerSetup, workers: int) -> None:
        self.seconds, self.ended = 0.0, 0
        self.pool = WorkerPool(setup, workers, 60.0)
        self.pool._clock = RunningClock(lambda: self.seconds)
        self.pool._turns = ViewTurns(workers, 0.0)
        for seat in self.pool._seats:
            seat.process = SlowWorker()

    def jobs(self) -> list[list[Any]]:
        """The jobs that each worker has."""
        return [[ticket.job for ticket in seat.tickets] for seat in self.pool._seats]

    def wait(self, seconds: float) -> None:
        """Let time pass. Late workers are replaced at once."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.seconds += LOOK_SECONDS
            self.pool._look_for_late_workers()
            for seat in self.pool._seats:
                if seat.cause == "late":
                    self.ended += 1
                    seat.process, seat.cause = None, "died"
                    self.pool._put_back(seat)
                    seat.process = SlowWorker()
                    self.pool._hand_out()

    def reply(self, worker: int, seconds: float = 0.0) -> None:
        """Let a worker do its oldest job."""
        seat, now = self.pool._seats[worker], self.pool._clock.now()
        self.pool._count(seat.tickets[0].job, Reply(0, Outcome.DONE, b"", seconds=seconds))
        self.pool._end_turn(seat.tickets[0], now, seat.since)
        seat.finish_oldest(Reply(0, Outcome.DONE, b""), now, self.pool._times)
        self.pool._hand_out()


@pytest.fixture
def play(setup: WorkerSetup) -> Callable[[int, Callable[[Scene], Coroutine[Any, Any, None]]], None]:
    def run(workers: int, script: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
        async def scene() -> None:
            await script(Scene(setup, workers))

        asyncio.run(scene())

    return run


Play = Callable[[int, Callable[[Scene], Coroutine[Any, Any, None]]], None]


def test_a_view_goes_on_while_another_worker_trains(play: Play) -> None:
    async def script(scene: Scene) -> None:
        scene.pool.submit(view(HUGE))
        for _ in range(round((LEAST_VIEW_SECONDS - 1) / LOOK_SECONDS)):
            scene.pool.submit(TRAINING)
            scene.wait(LOOK_SECONDS)
            scene.reply(1)
        assert scene.jobs() == [[view(HUGE)], []]
        assert scene.ended == 0

    play(2, script)


def test_the_only_worker_is_ended_once_for_a_view_that_training_waits_for(play: Play) -> None:
    async def script(scene: Scene) -> None:
        reply = scene.pool.submit(view(HUGE))
        scene.wait(LEAST_SECONDS + 1)
        assert scene.ended == 0
        scene.pool.submit(TRAINING)
        scene.wait(LOOK_SECONDS)
        assert scene.ended == 1
        assert scene.jobs() == [[TRAINING]]
        with pytest.raises(ServiceError, match="training needs all workers") as refused:
            await reply
        assert (refused.value.kind, refused.value.retry_after) == ("overloaded", 30)
        for seed in range(3):  # another look at the same image
            with pytest.raises(ServiceError, match="training needs all workers"):
                await scene.pool.submit(view(HUGE, seed))
        other = scene.pool.submit(view(SMALL))
        assert scene.jobs() == [[TRAINING, view(SMALL)]]
        scene.reply(0)
        scene.reply(0)
        assert other.done()
        assert scene.ended == 1

    play(1, script)


def test_when_training_is_quiet_the_view_is_made_with_more_time(play: Play) -> None:
    async def script(scene: Scene) -> None:
        first = scene.pool.submit(view(HUGE))
        scene.wait(LEAST_SECONDS + 1)
        scene.pool.submit(TRAINING)
        scene.wait(LOOK_SECONDS)
        assert first.exception() is not None
        scene.reply(0)
        scene.wait(QUIET_SECONDS)
        second = scene.pool.submit(view(HUGE))
        scene.pool.submit(TRAINING)
        scene.wait(2 * LEAST_SECONDS)
        assert scene.jobs() == [[view(HUGE)]]
        scene.reply(0, 2 * LEAST_SECONDS)
        assert second.done()
        assert second.exception() is None
        assert scene.ended == 1

    play(1, script)


def test_with_two_workers_a_view_that_was_late_is_made_by_one_while_the_other_trains(play: Play) -> None:
    async def script(scene: Scene) -> None:
        replies = [scene.pool.submit(view(HUGE)), scene.pool.submit(view(SMALL))]
        scene.wait(LEAST_SECONDS + 1)
        scene.pool.submit(TRAINING)
        scene.wait(LOOK_SECONDS)
        assert scene.ended == 1
        assert scene.jobs() == [[TRAINING], [view(SMALL)]]
        scene.reply(1)
        assert scene.jobs() == [[TRAINING], [view(HUGE)]]
        scene.pool.submit(view(SMALL, 1))
        assert scene.jobs() == [[TRAINING], [view(HUGE)]], "no view takes the worker that is left for training"
        scene.reply(0)
        for _ in range(4):
            scene.pool.submit(TRAINING)
            scene.wait(LEAST_SECONDS)
            scene.reply(0)
        assert scene.ended == 1
        scene.reply(1, 4 * LEAST_SECONDS)
        assert all(reply.done() and reply.exception() is None for reply in replies)

    play(2, script)


def test_a_view_that_does_not_take_long_after_all_is_like_any_other() -> None:
    known = LateViews()
    known.note(view(HUGE))
    known.note(TRAINING)
    assert [known.times(job) for job in (view(HUGE), view(HUGE, 1), view(SMALL), TRAINING)] == [1, 1, 0, 0]
    known.note_done(view(HUGE), LEAST_SECONDS)
    assert known.times(view(HUGE)) == 1
    known.note_done(view(HUGE), 0.1)
    assert known.times(view(HUGE)) == 0


def test_the_images_that_were_late_last_are_remembered() -> None:
    known = LateViews()
    for index in range(MOST + 1):
        known.note(view(index))
    assert (known.times(view(0)), known.times(view(MOST))) == (0, 1)
