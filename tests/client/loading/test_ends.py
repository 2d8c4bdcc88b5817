"""The end of a loader: with its loop, its trainer and forks; and its shared memory."""

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from client import ClientError
from client.loading.slots import SharedSlots
from tests.support.live_server import until
from tests.support.loading import gone, load, process_of, steps, trainer
from tests.support.scripted_server import Answer, Asked, ScriptedServer
from tests.support.shared_memory import named_memory

# --- ends ---


def test_leaving_a_loop_early_ends_the_process(small: ScriptedServer) -> None:
    for batch in (loaded := load(small.url)):
        process = process_of(loaded)
        assert batch.step == 0
        break
    del loaded
    gc.collect()
    assert gone(process)
    until(lambda: small.open_connections == 0)


def test_a_closed_loader_has_no_process_and_raises(small: ScriptedServer) -> None:
    loaded = load(small.url)
    next(loaded)
    process = process_of(loaded)
    loaded.close()
    loaded.close()
    assert gone(process)
    assert loaded.process_id is None
    with pytest.raises(ClientError, match="closed"):
        next(loaded)


def test_after_the_last_batch_there_is_no_process(small: ScriptedServer) -> None:
    loaded = load(small.url, stop=2)
    process = None
    for _ in loaded:
        process = process or process_of(loaded)
    assert process is not None
    assert gone(process)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


def shared_mappings() -> int:
    maps = Path("/proc/self/maps")
    return maps.read_text().count("saccade-sampler") if maps.exists() else 0


def test_a_closed_loader_leaves_no_memory_or_descriptor(small: ScriptedServer) -> None:
    named = named_memory()
    with load(small.url, stop=1) as loaded:
        assert steps(loaded) == [0]
    gc.collect()
    files, mappings = open_files(), shared_mappings()
    with load(small.url) as loaded:
        batch = next(loaded)
    del batch
    gc.collect()
    assert (open_files(), shared_mappings()) == (files, mappings)
    assert named_memory() <= named


def test_a_closed_loader_releases_its_memory_without_the_garbage_collector(small: ScriptedServer) -> None:
    """A trainer that makes many loaders would otherwise hold the memory of several."""
    with load(small.url, stop=1) as loaded:
        assert steps(loaded) == [0]
    gc.collect()
    mappings = shared_mappings()
    gc.disable()
    try:
        for _ in range(2):
            with load(small.url, stop=2) as loaded:
                next(loaded)
        assert shared_mappings() == mappings
    finally:
        gc.enable()


def test_a_killed_trainer_ends_its_loader_worker(small: ScriptedServer) -> None:
    started, process = trainer(small.url, "time.sleep(60)")
    with started:
        started.kill()
    until(lambda: gone(process))
    until(lambda: small.open_connections == 0)


def test_a_killed_trainer_ends_its_loader_worker_even_if_a_fork_survives(small: ScriptedServer) -> None:
    started, process = trainer(small.url, "import os\nif os.fork() == 0: time.sleep(15); os._exit(0)\ntime.sleep(60)")
    forks = []
    try:
        until(lambda: len(forked(started.pid, process.pid)) == 1)
        forks = forked(started.pid, process.pid)
        started.kill()
        until(lambda: gone(process))
        assert not gone(forks[0])
    finally:
        for fork in forks:
            fork.kill()
        started.kill()
        started.communicate()


def forked(parent: int, other_than: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if child.pid != other_than]


@pytest.mark.parametrize("then", ["", "batch = loaded.state_dict()"])
def test_a_trainer_that_exits_leaves_no_process_and_no_output(small: ScriptedServer, then: str) -> None:
    started, process = trainer(small.url, then)
    _, said = started.communicate(timeout=30)
    assert (started.returncode, said) == (0, "")
    assert gone(process)


@pytest.mark.parametrize("where", ["while True: pass", "while True: next(loaded); time.sleep(0.01)"])
def test_ctrl_c_ends_the_trainer_and_its_loader(small: ScriptedServer, where: str) -> None:
    started, process = trainer(small.url, where)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert said.strip().endswith("KeyboardInterrupt")
    until(lambda: gone(process))


class InterruptedForTestError(Exception):
    """Stands for what a signal handler raises in the middle of a wait."""


def test_an_interrupted_wait_loses_no_batch(small: ScriptedServer) -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedForTestError

    def slow(asked: Asked) -> Answer:
        def pieces() -> Iterator[bytes]:
            yield from small.messages(asked, 0)
            time.sleep(3)

        return Answer(pieces(), ending="cut")

    small.script("/v1/stream", slow)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with load(small.url, stop=4) as loaded:
            assert next(loaded).step == 0
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(InterruptedForTestError):
                next(loaded)
            assert loaded.state_dict()["step"] == 1
            assert steps(loaded) == [1, 2, 3]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- forks ---


def test_a_fork_cannot_use_the_loader_and_does_not_disturb_the_trainer(small: ScriptedServer) -> None:
    then = """
import os
pid = os.fork()
if pid == 0:
    for _ in range(2):
        try:
            next(loaded)
        except client.ClientError as error:
            print(error, flush=True)
    loaded.close()
    del loaded, batch
    raise SystemExit(0)
os.waitpid(pid, 0)
print([next(loaded).step for _ in range(5)], loaded.statistics.restarts)
"""
    started, _ = trainer(small.url, then)
    said, _ = started.communicate(timeout=30)
    assert said.count(f"this loader belongs to process {started.pid}: after a fork, make a new one") == 2
    assert "[1, 2, 3, 4, 5] 0" in said


# --- shared memory ---


def test_slots_are_shared_through_their_descriptor() -> None:
    slots = SharedSlots.create(3, 4096)
    other = SharedSlots(os.dup(slots.descriptor), 3, 4096)
    slots.slot(1)[:4] = b"here"
    assert bytes(other.slot(1)[:4]) == b"here"
    assert bytes(other.slot(0)) == bytes(other.slot(2)) == bytes(4096)
    for one in (slots, other):
        one.close()
        one.close()
    assert bytes(other.slot(1)[:4]) == b"here"


def test_slots_work_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    test_slots_are_shared_through_their_descriptor()
