"""What can go wrong around a loader: its process, its trainer, its server, and forks."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest

import client
from client import (
    Batch,
    ClientError,
    DigestMismatchError,
    Loader,
    RequestRefusedError,
    SampleError,
    SamplerClient,
    ServerUnavailableError,
)
from client import errors as client_errors
from client.loader_messages import ERRORS, error_frame, read_token
from client.shared_slots import SharedSlots
from sampler.wire import encode_error
from tests.live_server import until
from tests.processes import unmeasured_environment
from tests.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

ROOT = Path(__file__).resolve().parents[1]
STREAM: dict[str, Any] = {"seed": 7, "batch_size": 6}

TRAINER = """
import sys, time, client
loaded = client.loader(sys.argv[1], seed=7, batch_size=6, log_every=None)
batch = next(loaded)
print(loaded.process_id, flush=True)
{then}
"""
"""A trainer in a process of its own, which says the id of its loader's process once it has a batch."""


@pytest.fixture
def small() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def load(url: str, **named: Any) -> Loader[Batch]:
    quick: dict[str, Any] = STREAM | {"attempts": 3, "max_wait": 0.05, "log_every": None} | named
    loaded: Loader[Batch] = client.loader(url, **quick)
    return loaded


def steps(batches: Iterable[Any]) -> list[int]:
    return [batch.step for batch in batches]


def process_of(loaded: Loader[Batch]) -> psutil.Process:
    assert loaded.process_id is not None
    return psutil.Process(loaded.process_id)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# --- the loader's process dies ---


def test_a_killed_process_is_replaced_and_no_batch_is_lost_or_doubled(small: ScriptedServer) -> None:
    with SamplerClient(small.url) as plain, load(small.url, stop=9) as loaded:
        expected = plain.stream(**STREAM, stop=9)
        for place, batch in enumerate(loaded):
            assert batch.images.tobytes() == next(expected).images.tobytes()
            assert batch.step == place
            if place in (1, 4):
                process_of(loaded).kill()
        assert loaded.statistics.restarts == 2
    assert place == 8


def test_what_the_trainer_holds_survives_the_process(small: ScriptedServer) -> None:
    with load(small.url, ahead=1) as loaded:
        held = next(loaded)
        before = held.tl_heats.tobytes()
        process_of(loaded).kill()
        assert steps(islice(loaded, 6)) == [1, 2, 3, 4, 5, 6]
        assert held.tl_heats.tobytes() == before


def test_a_process_that_dies_each_time_is_told(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(small.url) as loaded:
        assert next(loaded).step == 0
        for _ in range(2):  # what was received before may still be handed out
            next(loaded)
        monkeypatch.setattr("client.loader_child.sys.executable", "/bin/false")
        process_of(loaded).kill()
        with pytest.raises(ClientError, match=r"process ended with status 1 before step \d, 3 times in a row"):
            list(islice(loaded, 4))
        monkeypatch.undo()
        begun = loaded.state_dict()["step"]
        assert next(loaded).step == begun


def test_another_client_in_the_current_folder_is_none_of_the_loaders(small: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("raise SystemExit(9)")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "train.py"
    script.write_text(TRAINER.format(then="print(batch.step, loaded.statistics.restarts)"))
    command = [sys.executable, str(script), small.url]
    environment = unmeasured_environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0 0"], "")


def test_a_process_that_cannot_be_started_is_told(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.loader_child.sys.executable", "/nowhere/python")
    with load_open(small.url) as loaded, pytest.raises(ClientError, match="did not start: No such file"):
        next(loaded)


def load_open(url: str, **named: Any) -> "closing[Loader[Batch]]":
    """A loader that is closed at the end of the block, and not started at its beginning."""
    return closing(load(url, **named))


# --- errors of the process ---


def test_a_sample_that_cannot_be_made_is_told_with_index_and_file(small: ScriptedServer) -> None:
    def fail(asked: Asked) -> Answer:
        what = {"type": "urn:image", "title": "image", "status": 500, "detail": "image 3 (a.jpg): missing",
                "index": 3, "file": "a.jpg"}  # fmt: skip
        return Answer([*small.messages(asked, 0), encode_error(what)])

    small.script("/v1/stream", fail)
    with load_open(small.url, stop=4) as loaded:
        assert next(loaded).step == 0
        with pytest.raises(SampleError, match=r"image 3 \(a.jpg\): missing") as caught:
            next(loaded)
        assert (caught.value.index, caught.value.file, caught.value.step) == (3, "a.jpg", 1)
        assert caught.value.request_id
        assert steps(loaded) == [1, 2, 3]  # asked for again, it could be made


def test_a_digest_that_changes_is_told_with_both(small: ScriptedServer) -> None:
    with load_open(small.url) as loaded:
        next(loaded)
        process_of(loaded).kill()
        small.spec = replace(small.spec, digest="d2")
        with pytest.raises(DigestMismatchError) as caught:
            list(islice(loaded, 8))
        assert (caught.value.expected, caught.value.actual) == ("d1", "d2")


def test_a_server_that_is_away_is_told(small: ScriptedServer) -> None:
    with load_open(small.url) as loaded:
        loaded.spec()
        small.close()
        with pytest.raises(ServerUnavailableError, match="3 attempts") as caught:
            next(loaded)
        assert caught.value.attempts == 3


def test_a_request_that_the_server_refuses_is_told_by_field(small: ScriptedServer) -> None:
    rows = [{"field": "batch_size", "value": 1 << 70, "expected": "at most 5"}]
    small.script("/v1/stream", problem(422, "batch_size = 6: expected at most 5", errors=rows))
    with load_open(small.url) as loaded, pytest.raises(RequestRefusedError, match="status 422") as caught:
        next(loaded)
    assert caught.value.errors == rows


def test_a_server_that_restarts_in_mid_stream_is_waited_for() -> None:
    first = ScriptedServer()
    with load_open(first.url, attempts=100, ahead=1) as loaded:
        assert steps(islice(loaded, 3)) == [0, 1, 2]
        first.close()
        with scripted(port=first.port):
            assert steps(islice(loaded, 10)) == list(range(3, 13))
            assert loaded.statistics.restarts == 0


def test_every_error_of_the_client_comes_through_whole() -> None:
    kinds = [kind for kind in vars(client_errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)]
    assert set(ERRORS.values()) == set(kinds)
    for kind in kinds:
        error = kind("what is wrong")
        error.request_id, error.attempts = "r1", 3
        vars(error).update(dict.fromkeys(set(vars(error)) - {"request_id", "attempts", "problem"}, "an attribute"))
        with pytest.raises(kind) as caught:
            read_token(error_frame(error)[4:])
        assert type(caught.value) is kind
        assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))


# --- ends ---


def test_a_loop_that_is_left_early_leaves_no_process(small: ScriptedServer) -> None:
    for batch in (loaded := load(small.url)):
        process = process_of(loaded)
        assert batch.step == 0
        break
    del loaded
    gc.collect()
    assert gone(process)
    until(lambda: small.open_connections == 0)


def test_closing_ends_the_process_and_says_so(small: ScriptedServer) -> None:
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


def test_no_memory_descriptor_or_name_is_left(small: ScriptedServer) -> None:
    named = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    with load(small.url, stop=1) as loaded:
        assert steps(loaded) == [0]
    gc.collect()
    files, mappings = open_files(), shared_mappings()
    for _ in range(3):
        with load(small.url) as loaded:
            batch = next(loaded)
        del batch
    gc.collect()
    assert (open_files(), shared_mappings()) == (files, mappings)
    assert (set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()) <= named


def trainer(url: str, then: str) -> "tuple[subprocess.Popen[str], psutil.Process]":
    command = [sys.executable, "-c", TRAINER.format(then=then), url]
    started = subprocess.Popen(
        command, cwd=ROOT, env=unmeasured_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert started.stdout is not None
    return started, psutil.Process(int(started.stdout.readline()))


def test_a_trainer_that_is_killed_takes_its_loader_with_it(small: ScriptedServer) -> None:
    started, process = trainer(small.url, "time.sleep(60)")
    with started:
        started.kill()
    until(lambda: gone(process))
    until(lambda: small.open_connections == 0)


def test_a_trainer_that_is_killed_leaves_no_loader_though_a_fork_lives_on(small: ScriptedServer) -> None:
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


@pytest.mark.parametrize("then", ["", "raise SystemExit(0)", "batch = loaded.state_dict()"])
def test_a_trainer_that_ends_leaves_nothing_and_says_nothing(small: ScriptedServer, then: str) -> None:
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


def test_a_fork_does_not_disturb_the_trainer_and_is_told_whose_the_loader_is(small: ScriptedServer) -> None:
    then = """
import os
pid = os.fork()
if pid == 0:
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
    assert f"this loader belongs to process {started.pid}: after a fork, make a new one" in said
    assert "[1, 2, 3, 4, 5] 0" in said


# --- shared memory ---


def test_slots_are_shared_with_whoever_has_the_descriptor() -> None:
    slots = SharedSlots.create(3, 4096)
    other = SharedSlots(os.dup(slots.descriptor), 3, 4096)
    slots.slot(1)[:4] = b"here"
    assert bytes(other.slot(1)[:4]) == b"here"
    assert bytes(other.slot(0)) == bytes(other.slot(2)) == bytes(4096)
    for one in (slots, other):
        one.close()
        one.close()
    assert bytes(other.slot(1)[:4]) == b"here"


def test_slots_do_without_memory_files_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    test_slots_are_shared_with_whoever_has_the_descriptor()
