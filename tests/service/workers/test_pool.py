"""The pool replaces workers that die, takes turns, and gives up on samples that end every worker."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import psutil
import pytest
import uvloop

from sampler.stream.keys import SampleKey
from service.arena import Arena
from service.errors.problems import ServiceError
from service.workers.failures import WorkerFailure
from service.workers.pool import JOBS_PER_WORKER, WorkerPool
from service.workers.process import WorkerProcess
from service.workers.protocol import ImagesJob, Job, RunJob, ViewJob, WorkerSetup
from service.workers.seats import Ticket
from tests.support.paths import ROOT

KEYS = tuple(SampleKey(1, 0, index) for index in range(3))


class StoppedWorker(WorkerProcess):
    """A worker that takes jobs and does nothing."""

    def __init__(self) -> None:
        pass

    def send(self, job: bytes) -> None:
        pass


GREEDY = 4
MANY = 40
FEW = 3
VIEWS = 200
"""They take a second: more than the time that views can save up."""


def document(seed: int, index: int) -> ViewJob:
    return ViewJob("document", 0, (SampleKey(seed, 0, index),))


def run(scene: Coroutine[Any, Any, list[int]], loop: str = "asyncio") -> list[int]:
    return uvloop.run(scene) if loop == "uvloop" else asyncio.run(scene)


def test_an_owner_of_few_jobs_waits_for_few_jobs_of_greedy_owners(setup: WorkerSetup) -> None:
    async def scene() -> int:
        pool = WorkerPool(setup, 1, 60.0)
        await pool.start()
        try:
            others = [pool.submit(ImagesJob((0,)), owner) for owner in range(GREEDY) for _ in range(MANY)]
            few = [pool.submit(ImagesJob((0,)), "few") for _ in range(FEW)]
            await asyncio.gather(*few)
            done = sum(reply.done() for reply in others)
            assert pool.queued > 0
            for reply in others:
                reply.cancel()
            return done
        finally:
            await pool.stop()

    assert asyncio.run(scene()) <= GREEDY * FEW + 2 * JOBS_PER_WORKER


def test_other_jobs_do_not_wait_for_views(setup: WorkerSetup) -> None:
    async def scene() -> tuple[int, int]:
        pool = WorkerPool(setup, 1, 60.0)
        await pool.start()
        try:
            views = [pool.submit(document(seed, 0)) for seed in range(VIEWS)]
            assert pool.queued == 0  # views are not counted
            others = [pool.submit(ImagesJob((0,))) for _ in range(FEW)]
            await asyncio.gather(*others)
            overtaken = sum(not view.done() for view in views)
            await asyncio.gather(*views)
            return overtaken, sum(view.done() for view in views)
        finally:
            await pool.stop()

    overtaken, done = asyncio.run(scene())
    assert overtaken >= VIEWS // 4  # the others have the share that views had saved up
    assert done == VIEWS


# --- jobs that cannot be sent ---

TOO_LARGE = 1 << 64


@pytest.mark.parametrize(
    "job",
    [
        ViewJob("image-page", 0, KEYS, options={"first": TOO_LARGE}),
        ViewJob("document", 0, KEYS, options={"config": {"scales": {1.0, 2.0}}}),
        ViewJob("document", 0, KEYS, options={"find": "\ud800"}),
        ImagesJob((TOO_LARGE,)),
        RunJob(KEYS, True, "compact", TOO_LARGE, 0, 0),
        ImagesJob(tuple(range(1000))),
    ],
    ids=["an integer in a view", "a set", "a surrogate", "an index", "a run", "too many bytes"],
)
def test_a_job_that_cannot_be_sent_to_a_worker_fails_at_once_and_alone(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    monkeypatch.setattr("service.workers.protocol.MAX_JOB_BYTES", 1000)

    async def scene() -> None:
        pool = WorkerPool(setup, 1, 60.0)
        with pytest.raises(ServiceError, match="cannot be sent to a worker") as failure:
            await pool.submit(job)
        assert failure.value.kind == "internal"
        other = pool.submit(document(1, 0))
        assert [ticket.reply for ticket in [*pool._waiting]] == [other]

    asyncio.run(scene())


def test_a_view_of_no_samples_that_ends_its_workers_is_given_up() -> None:
    async def scene() -> None:
        ticket = Ticket(1, ViewJob("image-rows", 0, ()), asyncio.Future(), b"")
        ticket.give_up()
        with pytest.raises(ServiceError, match="ended its worker"):
            await ticket.reply

    asyncio.run(scene())


def test_no_job_for_training_is_sent_to_a_worker_that_makes_a_view(setup: WorkerSetup) -> None:
    async def scene() -> None:
        pool = WorkerPool(setup, 2, 60.0)
        first, second = pool._seats
        first.process, second.process = StoppedWorker(), StoppedWorker()
        pool.submit(document(1, 0))
        for _ in range(2 * JOBS_PER_WORKER):
            pool.submit(ImagesJob((0,)))
        assert [len(seat.tickets) for seat in (first, second)] == [1, JOBS_PER_WORKER]

    asyncio.run(scene())


def test_training_waits_for_views_only_if_all_workers_make_some(setup: WorkerSetup) -> None:
    async def scene() -> None:
        pool = WorkerPool(setup, 2, 60.0)
        for seat in pool._seats:
            seat.process = StoppedWorker()
            pool.submit(document(1, pool.alive))
        assert not pool._waits_for_views()
        pool.submit(ImagesJob((0,)))
        assert pool._waits_for_views()
        pool._seats[0].cause = "view"  # the next worker takes the job
        assert not pool._waits_for_views()

    asyncio.run(scene())


# --- jobs that nobody waits for ---


def test_an_abandoned_job_is_cancelled_unless_a_worker_has_it(setup: WorkerSetup) -> None:
    async def scene() -> None:
        pool = WorkerPool(setup, 1, 60.0)
        pool._seats[0].process = StoppedWorker()
        sent, _, queued = (pool.submit(document(1, index)) for index in range(3))
        for reply in (sent, queued):
            pool.abandon(reply)
        assert (sent.cancelled(), queued.cancelled()) == (False, True)

    asyncio.run(scene())


# --- workers that die ---


def test_a_worker_is_started_again_after_any_error(setup: WorkerSetup, caplog: pytest.LogCaptureFixture) -> None:
    errors = [ZeroDivisionError("in the first attempt"), KeyError("in the second")]

    def prepare() -> None:
        if errors:
            raise errors.pop(0)

    async def scene() -> list[int]:
        await pool.start()
        try:
            (number,) = pool.pids
            psutil.Process(number).kill()
            while pool.alive:
                await asyncio.sleep(0.01)
            return [len(await asyncio.wait_for(pool.submit(document(1, 0)), 60))]
        finally:
            await pool.stop()

    failures: list[WorkerFailure] = []
    pool = WorkerPool(setup, 1, 60.0, prepare, on_failure=failures.append)
    (length,) = run(scene())
    assert length > 1000
    assert [record.exc_info is not None for record in caplog.records] == [False, True, True]
    assert "ZeroDivisionError: in the first attempt" in failures[1].text


async def lengths_after_death(pool: WorkerPool, pauses: int) -> list[int]:
    """The lengths of two documents that are requested right after the only worker died."""
    await pool.start()
    try:
        (seat,) = pool._seats
        assert seat.process is not None
        worker = psutil.Process(seat.process.pid)
        worker.kill()
        while worker.status() != psutil.STATUS_ZOMBIE or worker.num_threads() > 1:
            time.sleep(0.01)  # keeps the event loop from noticing
        replies = []
        for index in range(2):
            replies.append(pool.submit(document(1, index)))
            for _ in range(pauses):
                await asyncio.sleep(0)
        return [len(await asyncio.wait_for(reply, 30)) for reply in replies]
    finally:
        await pool.stop()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("pauses", [0, 1, 2])
def test_jobs_sent_to_a_worker_that_has_just_died_are_done_by_the_next(
    setup: WorkerSetup, loop: str, pauses: int
) -> None:
    pool = WorkerPool(setup, 1, 60.0)
    assert all(length > 1000 for length in run(lengths_after_death(pool, pauses), loop))
    assert pool.restarts == {"died": 1, "late": 0, "view": 0, "invalid": 0}


COMPILER = """
import sys, time
from sampler.ipc.child_process import run_child
from service.workers.protocol import STARTING, Outcome, Reply

def compile(server):
    server.read()
    server.send(Reply(STARTING, Outcome.COMPILING, b"").encode())
    time.sleep(10)
    server.send(Reply(STARTING, Outcome.READY, b"").encode())
    server.read()

run_child(compile)
"""
"""A worker that compiles for ten seconds."""


@pytest.mark.parametrize(("seconds", "ready"), [(60.0, True), (0.1, False)])
def test_workers_that_compile_have_their_own_time_to_start_and_the_log_says_so_once(
    setup: WorkerSetup,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    ready: bool,
) -> None:
    caplog.set_level("INFO", "saccade_sampler")
    popen = subprocess.Popen

    def start_compiler(command: list[str], **named: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", COMPILER, *command[-2:]], **named)  # type: ignore[call-overload,no-any-return] # what the pool passes on

    async def scene() -> list[int]:
        try:
            await pool.start()
            return [pool.alive]
        finally:
            await pool.stop()

    monkeypatch.setattr(subprocess, "Popen", start_compiler)
    monkeypatch.setattr("service.workers.process.COMPILE_SECONDS", seconds)
    pool = WorkerPool(setup, 2, 60.0)
    if ready:
        monkeypatch.setattr("service.workers.process.START_SECONDS", 8.0)
        assert run(scene()) == [2]
    else:
        with pytest.raises(ServiceError, match="a worker did not start: it exited with status -9"):
            run(scene())
    assert ["compiling the kernels" in line for line in caplog.messages] == [True]


LIAR = """
import struct
from sampler.ipc.child_process import run_child

def lie(server):
    server.read()
    server.send(struct.pack("<QB4I", 0, 0, 0, 0, 0, 0))
    server.read()
    server.send(struct.pack("<QB4I", {number}, {outcome}, 0, 0, 0, 0) + b"lie")
    server.read()

run_child(lie)
"""


@pytest.mark.parametrize(("number", "outcome"), [(99, 1), (1, 77)], ids=["another job", "unknown outcome"])
def test_a_worker_that_replies_nonsense_is_replaced_and_its_job_done_again(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch, number: int, outcome: int
) -> None:
    popen = subprocess.Popen
    started: list[object] = []

    def first_a_liar(command: list[str], **named: object) -> "subprocess.Popen[bytes]":
        if not started:
            command = [sys.executable, "-c", LIAR.format(number=number, outcome=outcome), *command[-2:]]
        started.append(popen(command, **named))  # type: ignore[call-overload] # what the pool passes on
        return started[-1]  # type: ignore[return-value] # the process just started

    async def scene() -> list[int]:
        await pool.start()
        try:
            return [len(await asyncio.wait_for(pool.submit(document(1, 3)), 30))]
        finally:
            await pool.stop()

    monkeypatch.setattr(subprocess, "Popen", first_a_liar)
    pool = WorkerPool(setup, 1, 60.0)
    (length,) = run(scene())
    assert length > 1000
    assert pool.restarts == {"died": 0, "late": 0, "view": 0, "invalid": 1}


def test_stop_waits_for_a_worker_that_is_ending(setup: WorkerSetup) -> None:
    async def scene() -> None:
        pool = WorkerPool(setup, 1, 60.0)
        await pool.start()
        (seat,) = pool._seats
        assert seat.process is not None
        number = seat.process.pid
        psutil.Process(number).suspend()
        seat.process._frames.close()
        while pool.alive:
            await asyncio.sleep(0.01)
        await pool.stop()
        assert not psutil.pid_exists(number)

    asyncio.run(scene())


# --- samples that end their workers ---

POISON = """
import os, sys
from service.workers import worker
honest = worker.write_sample

def write_sample(memory, position, dataset, config, categories, key, **manner):
    if key.index == 2:
        os._exit(9)
    return honest(memory, position, dataset, config, categories, key, **manner)

worker.write_sample = write_sample
from sampler.ipc.child_process import run_child
from service.workers.worker import serve
run_child(lambda server: serve(server, {}))
"""
"""A worker that ends at image 2."""


def test_a_sample_that_ends_its_workers_is_given_up_although_samples_before_it_are_made_again_each_time(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = subprocess.Popen

    def poisoned(command: list[str], **named: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", POISON, *command[-2:]], **named | {"cwd": ROOT})  # type: ignore[call-overload,no-any-return] # what the pool passes on

    monkeypatch.setattr(subprocess, "Popen", poisoned)

    async def scene() -> None:
        arena = Arena(16 << 20)
        pool = WorkerPool(replace(setup, arena=arena.descriptor), 1, 60.0)
        await pool.start()
        try:
            slab = arena.borrow(4 << 20)
            assert slab is not None
            reply = pool.submit(RunJob(KEYS, True, "compact", 0, slab.offset, slab.capacity), "owner", slab)
            with pytest.raises(ServiceError, match=r"'index': 2.*ended its worker 3 times"):
                await asyncio.wait_for(reply, 60)
            assert pool.restarts == {"died": 3, "late": 0, "view": 0, "invalid": 0}
        finally:
            await pool.stop()
            arena.close()

    asyncio.run(scene())


def test_checking_the_progress_of_a_restarted_run_does_not_count_as_progress() -> None:
    async def scene() -> None:
        arena = Arena(1 << 16)
        slab = arena.borrow(4096)
        assert slab is not None
        ticket = Ticket(1, RunJob(KEYS, True, "compact", 0, 0, slab.capacity), asyncio.Future(), b"", slab)
        written = arena._memory[slab.offset + slab.capacity :]
        further = []
        for count in (2, 2, 1, 2):
            written[:8] = (0).to_bytes(8, "little")
            ticket.progress()
            written[:8] = count.to_bytes(8, "little")
            further.append(ticket.got_further())
        assert further == [True, False, False, False]
        assert ticket.culprit == KEYS[2].as_dict()
        arena.close()

    asyncio.run(scene())
