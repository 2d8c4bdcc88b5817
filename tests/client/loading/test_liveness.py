"""A loader's process that hangs is replaced; one that waits, or was stopped together with its trainer, is not."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psutil
import pytest

from client import ClientError, SamplerClient
from client.loading.messages import PING, PONG
from client.loading.trainer import liveness
from client.loading.trainer.liveness import Liveness
from client.loading.worker.log_forwarding import LogForwarding
from client.loading.worker.main import Listener
from client.loading.worker.progress import Progress
from sampler.ipc import frames
from sampler.ipc.child_process import ChildProcess
from sampler.ipc.frames import FrameSocket
from tests.support.live_server import until
from tests.support.loading import STREAM, load, process_of, steps
from tests.support.processes import start_python
from tests.support.scripted_server import Answer, Asked, ScriptedServer

CHECK, LIMIT = 0.2, 1.2
"""Seconds, much shorter than those of a real loader."""


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "CHECK_SECONDS", CHECK)
    monkeypatch.setattr(liveness, "RESPONSE_SECONDS", LIMIT)


def slow(server: ScriptedServer, seconds: float) -> Any:
    """A script: the first batch at once, the rest after a while."""

    def script(asked: Asked) -> Answer:
        def pieces() -> Iterator[bytes]:
            for number, batch in enumerate(server.batches(asked)):
                if number == 1:
                    time.sleep(seconds)
                yield from batch

        return Answer(pieces())

    return script


# --- processes ---


@pytest.mark.usefixtures("_short")
def test_a_stopped_process_is_replaced_and_no_batch_is_lost_repeated_or_changed(small: ScriptedServer) -> None:
    gaps, stopped = [], None
    with SamplerClient(small.url) as plain, load(small.url, ahead=1, stop=8) as loaded:
        asked = time.monotonic()
        for batch, expected in zip(loaded, plain.stream(**STREAM, stop=8), strict=True):
            gaps.append(time.monotonic() - asked)
            assert (batch.step, batch.keys) == (expected.step, expected.keys)
            assert batch.images.tobytes() == expected.images.tobytes()
            if batch.step == 3:
                stopped = process_of(loaded)
                stopped.suspend()
            asked = time.monotonic()
        assert loaded.statistics.restarts == 1
    print(f"longest gap {max(gaps):.1f} s")
    assert max(gaps) < LIMIT + 8
    assert stopped is not None
    assert not stopped.is_running()


@pytest.mark.usefixtures("_short")
def test_processes_that_hang_one_after_the_other_are_an_error_and_the_step_stays(
    small: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ChildProcess.start

    def start_stopped(child: ChildProcess) -> None:
        start(child)
        os.kill(child.pid, signal.SIGSTOP)

    with load(small.url, ahead=1, stop=6) as loaded:
        assert next(loaded).step == 0
        monkeypatch.setattr(ChildProcess, "start", start_stopped)
        monkeypatch.setattr(liveness, "START_SECONDS", 0.5)
        process_of(loaded).suspend()
        with pytest.raises(ClientError, match=r"did not respond for .* s before step \d, 3 times in a row; is the"):
            steps(loaded)
        monkeypatch.undo()
        begun = loaded.state_dict()["step"]
        assert steps(loaded) == list(range(begun, 6))


@pytest.mark.usefixtures("_short")
def test_a_process_that_waits_for_a_slow_server_is_left_alone(small: ScriptedServer) -> None:
    small.script("/v1/stream", slow(small, 2 * LIMIT))
    with load(small.url, stop=3) as loaded:
        assert steps(loaded) == [0, 1, 2]
        assert loaded.statistics.restarts == 0


TRAINER = f"""
import sys, client
from client.loading.trainer import liveness
from sampler.ipc import frames
frames.CHECK_SECONDS, liveness.RESPONSE_SECONDS = {CHECK}, {LIMIT}
with client.loader(sys.argv[1], seed=7, batch_size=6, stop=4, layout="dense", log_every=None) as loaded:
    print(next(loaded).step, flush=True)
    print([batch.step for batch in loaded], loaded.statistics.restarts)
"""


def test_a_trainer_that_is_stopped_with_its_process_keeps_it(small: ScriptedServer) -> None:
    small.script("/v1/stream", slow(small, 3 * LIMIT))
    trainer = start_python("-c", TRAINER, small.url, coverage=False, start_new_session=True)
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == "0\n"
    time.sleep(LIMIT / 2)  # the trainer waits for the next batch
    os.killpg(trainer.pid, signal.SIGSTOP)  # as Ctrl-Z does
    time.sleep(2 * LIMIT)
    os.killpg(trainer.pid, signal.SIGCONT)
    printed, said = trainer.communicate(timeout=30)
    assert (printed, said) == ("[1, 2, 3] 0\n", "")


def test_a_process_that_reads_nothing_does_not_block_its_trainer(
    small: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "RESPONSE_SECONDS", 0.3)
    with load(small.url, ahead=2, stop=5) as loaded:
        assert next(loaded).step == 0
        process = process_of(loaded)
        until(lambda: process.status() == psutil.STATUS_SLEEPING)
        process.suspend()
        assert loaded._running is not None
        with pytest.raises(AssertionError, match="full"):  # fill the socket, as grants of many batches would
            fill(loaded._running.source)
        assert steps(loaded) == [1, 2, 3, 4]
        assert loaded.statistics.restarts == 1


def fill(source: Any) -> None:
    for _ in range(100_000):
        source._send(PING)
        assert not source._liveness.lost, "full"


# --- the trainer's side ---


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("client.loading.trainer.liveness.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def silence(watched: Liveness, clock: Clock, seconds: float, step: float = 2.0) -> bool:
    """Wait in steps of the socket's checks; return whether the process still counts as alive."""
    for _ in range(round(seconds / step)):
        clock.now += step
        if not watched.check():
            return False
    return True


def test_a_silent_process_is_lost_after_the_limit(clock: Clock) -> None:
    watched = Liveness(lambda: None)
    watched.heard()
    assert silence(watched, clock, 8)
    assert not silence(watched, clock, 2)
    assert watched.lost


def test_a_process_that_starts_has_more_time(clock: Clock) -> None:
    watched = Liveness(lambda: None)
    assert silence(watched, clock, liveness.START_SECONDS - 2)
    assert not silence(watched, clock, 2)


def test_any_message_begins_the_time_again(clock: Clock) -> None:
    watched = Liveness(lambda: None)
    for _ in range(5):
        watched.heard()
        assert silence(watched, clock, 8)


def test_time_in_which_the_trainer_did_not_run_does_not_count(clock: Clock) -> None:
    watched = Liveness(lambda: None)
    watched.heard()
    for _ in range(5):
        assert silence(watched, clock, 8)
        clock.now += 3600
        assert watched.check()
    assert not silence(watched, clock, 10)


def test_one_ping_at_a_time_is_on_its_way(clock: Clock) -> None:
    pings: list[float] = []
    watched = Liveness(lambda: pings.append(clock.now))
    silence(watched, clock, 8)
    watched.heard()
    silence(watched, clock, 8)
    assert pings == [2.0, 10.0]


# --- the process's side ---


def test_progress_is_late_only_while_a_batch_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("client.loading.worker.progress.time.monotonic", lambda: now[0])
    progress = Progress()
    for limit in (600.0 + 48, 60.0 + 48, 60.0 + 48):  # kernels may be compiled for the first batch
        with progress.rendering(48):
            now[0] += limit
            in_time = progress.late
            now[0] += 1
            assert (in_time, progress.late) == (False, True)
        now[0] += 10_000  # waiting for the server or the trainer
        assert not progress.late


@pytest.mark.parametrize("hung", [False, True])
def test_a_worker_answers_unless_its_loading_thread_hangs(monkeypatch: pytest.MonkeyPatch, hung: bool) -> None:
    mine, other = socket.socketpair()
    monkeypatch.setattr(Progress, "late", hung)
    monkeypatch.setattr("client.loading.worker.main.os._exit", lambda _: None)
    monkeypatch.setattr("client.loading.worker.main.GRACE_SECONDS", 0)
    with other:
        worker = FrameSocket(other)
        listener = Listener(worker, Progress(), LogForwarding(worker))
        listener.start()
        trainer = FrameSocket(mine, peer_alive=lambda: False)
        monkeypatch.setattr(frames, "CHECK_SECONDS", 0.3)
        trainer.send(PING)
        assert trainer.read() == (None if hung else PONG)
        trainer.send(b"\x02\0\0\0\x05\0\0\0")
        assert list(islice(iter(listener.granted.get, None), 2)) == [2, 5]
        mine.close()
        listener.join(10)
        assert not listener.is_alive()
