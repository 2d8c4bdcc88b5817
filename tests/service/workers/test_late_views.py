"""A view that takes long holds up training once: from then on, training goes on as soon as it comes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sampler.stream.keys import SampleKey
from service.errors.problems import ServiceError
from service.workers.failures import WorkerFailure
from service.workers.late_views import MOST, LateViews
from service.workers.lateness import LEAST_SECONDS, LEAST_VIEW_SECONDS, LOOK_SECONDS, RunningClock
from service.workers.pool import WorkerPool
from service.workers.process import WorkerProcess
from service.workers.protocol import ImagesJob, Outcome, Reply, ViewJob, WorkerSetup
from service.workers.view_turns import QUIET_SECONDS
from service.workers.waiting_jobs import WaitingJobs

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
        self.failures: list[WorkerFailure] = []
        self.pool = WorkerPool(setup, workers, 60.0, on_failure=self.failures.append)
        self.pool._clock = RunningClock(lambda: self.seconds)
        self.pool._waiting = WaitingJobs(workers, 0.0)
        for seat in self.pool._seats:
            seat.process = SlowWorker()

    def jobs(self) -> list[list[Any]]:
        """The jobs that each worker has."""
        return [[ticket.job for ticket in seat.tickets] for seat in self.pool._seats]

    def wait(self, seconds: float) -> None:
        """Let time pass. Late workers are replaced at once."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            self.seconds += LOOK_SECONDS
            self.pool._look()
            for seat in self.pool._seats:
                if seat.cause == "view":
                    self.ended += 1
                    seat.process, seat.cause = None, "died"
                    self.pool._put_back(seat)
                    seat.process = SlowWorker()
                    self.pool._hand_out()

    def reply(self, worker: int, seconds: float = 0.0) -> None:
        """Let a worker do its oldest job."""
        seat, now = self.pool._seats[worker], self.pool._clock.now()
        self.pool._count(seat.tickets[0].job, Reply(0, Outcome.DONE, b"", seconds=seconds))
        self.pool._waiting.end_turn(seat.tickets[0], now, seat.since)
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
        (failure,) = scene.failures
        assert failure == WorkerFailure(
            "What a page shows took too long while training waited. Its worker was replaced.", view(HUGE)
        )
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
        scene.wait(2 * LEAST_SECONDS)
        assert scene.jobs() == [[view(HUGE)]]
        scene.reply(0, 2 * LEAST_SECONDS)
        assert second.done()
        assert second.exception() is None
        assert scene.ended == 1

    play(1, script)


def test_however_often_the_view_is_looked_at_training_does_not_wait_for_it_again(play: Play) -> None:
    async def script(scene: Scene) -> None:
        waited = []
        for seed in range(4):
            reply = scene.pool.submit(view(HUGE, seed))
            scene.wait(1.0)
            scene.pool.submit(TRAINING)
            came = scene.seconds
            while scene.jobs() != [[TRAINING]]:
                scene.wait(LOOK_SECONDS)
            waited.append(scene.seconds - came)
            assert isinstance(reply.exception(), ServiceError)
            scene.reply(0)
            scene.wait(QUIET_SECONDS + 1)
        assert waited[0] <= LEAST_SECONDS
        assert waited[1:] == [LOOK_SECONDS] * 3

    play(1, script)


def test_views_of_the_image_that_waited_meanwhile_do_not_hold_up_training_either(play: Play) -> None:
    async def script(scene: Scene) -> None:
        replies = [scene.pool.submit(view(HUGE, seed)) for seed in range(3)]
        scene.wait(1.0)
        scene.pool.submit(TRAINING)
        scene.wait(LEAST_SECONDS)
        assert scene.jobs() == [[TRAINING]]
        scene.pool.submit(TRAINING)
        scene.reply(0)
        assert scene.jobs() == [[TRAINING]]
        assert all(isinstance(reply.exception(), ServiceError) for reply in replies)
        assert scene.ended == 1

    play(1, script)


def test_a_view_of_the_image_that_another_worker_makes_is_late_too(play: Play) -> None:
    async def script(scene: Scene) -> None:
        for seed in range(2):
            scene.pool.submit(view(HUGE, seed))
        scene.wait(LEAST_SECONDS + 1)
        scene.pool.submit(TRAINING)
        scene.wait(LOOK_SECONDS)
        assert scene.jobs() == [[TRAINING], [view(HUGE, 1)]]
        scene.pool.submit(view(SMALL))
        scene.reply(0)
        assert scene.jobs() == [[], [view(HUGE, 1)]], "this worker is left for training"
        assert scene.ended == 1

    play(2, script)


def test_a_view_that_must_wait_lets_those_of_other_images_go_first(play: Play) -> None:
    async def script(scene: Scene) -> None:
        scene.pool._waiting.late_views.note(view(HUGE))
        for _ in range(3):
            scene.pool.submit(TRAINING)
        scene.pool.submit(view(SMALL))
        scene.reply(1)
        scene.reply(0)
        scene.reply(0)
        assert scene.jobs() == [[], [view(SMALL)]]
        late = scene.pool.submit(view(HUGE))
        scene.pool.submit(view(5))
        assert scene.jobs() == [[view(5)], [view(SMALL)]]
        scene.reply(0)
        assert scene.jobs() == [[], [view(SMALL)]]
        scene.reply(1)
        assert [view(HUGE)] in scene.jobs()
        assert not late.done()

    play(2, script)


def test_views_that_waited_for_training_begin_when_it_has_become_quiet(play: Play) -> None:
    async def script(scene: Scene) -> None:
        scene.pool._waiting.late_views.note(view(HUGE))
        scene.pool.submit(TRAINING)
        scene.reply(0)
        scene.pool.submit(view(SMALL))
        scene.pool.submit(view(HUGE))
        assert scene.jobs() == [[view(SMALL)], []]
        scene.wait(QUIET_SECONDS - LOOK_SECONDS)
        assert scene.jobs() == [[view(SMALL)], []]
        scene.wait(LOOK_SECONDS)
        assert scene.jobs() == [[view(SMALL)], [view(HUGE)]]
        assert scene.ended == 0

    play(2, script)


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
    found = [known.includes(job) for job in (view(HUGE), view(HUGE, 1), view(SMALL), TRAINING)]
    assert found == [True, True, False, False]
    known.note_done(view(HUGE), LEAST_SECONDS)
    assert known.includes(view(HUGE))
    known.note_done(view(HUGE), 0.1)
    assert not known.includes(view(HUGE))


def test_the_images_that_were_late_last_are_remembered() -> None:
    known = LateViews()
    for index in range(MOST + 1):
        known.note(view(index))
    assert (known.includes(view(0)), known.includes(view(MOST))) == (False, True)
