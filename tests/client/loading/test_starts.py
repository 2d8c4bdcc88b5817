"""Failures of a starting loader: no memory, an interrupt, an unexpected message."""

import threading
from contextlib import closing
from dataclasses import replace
from typing import Any

import psutil
import pytest

from client import ClientError
from client.loading.messages import FilledSlot, decode_result, read_origin
from tests.support.loading import load
from tests.support.scripted_server import ScriptedServer

resource: Any = pytest.importorskip("resource", reason="the system has no limits to run against")


class InterruptedForTestError(BaseException):
    """Stands for what Ctrl-C raises."""


def interrupt(*_: object, **__: object) -> None:
    raise InterruptedForTestError


def children() -> set[int]:
    """Processes of this one, ended ones that nobody waited for among them."""
    return {child.pid for child in psutil.Process().children()}


@pytest.mark.parametrize(
    ("limit", "low", "said"),
    [("RLIMIT_FSIZE", 4096, "no shared memory .*260 slots of .* MB, .* MB in all.*: expected fewer samples a batch"),
     ("RLIMIT_NOFILE", 0, "260 slots of .*Too many open files: expected fewer open files")],
)  # fmt: skip
def test_without_memory_for_the_slots_the_error_says_how_much_is_needed(
    small: ScriptedServer, limit: str, low: int, said: str
) -> None:
    number = getattr(resource, limit)
    soft, hard = resource.getrlimit(number)
    with closing(load(small.url, ahead=256)) as loaded:
        loaded.spec()
        resource.setrlimit(number, (low, hard))
        try:
            with pytest.raises(ClientError) as caught:
                next(loaded)
        finally:
            resource.setrlimit(number, (soft, hard))
        caught.match(said)


@pytest.mark.parametrize(
    "place", ["sampler.ipc.child_process.FrameSocket", "client.loading.trainer.supervisor.SlotSource._grant"]
)
def test_an_interrupt_while_the_worker_starts_leaves_no_process(
    small: ScriptedServer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before = children()
    monkeypatch.setattr(place, interrupt)
    loaded = load(small.url)
    with pytest.raises(InterruptedForTestError), loaded:
        pass
    assert loaded.process_id is None
    assert children() == before
    with pytest.raises(InterruptedForTestError):
        next(loaded)
    assert children() == before
    monkeypatch.undo()
    with loaded:
        assert next(loaded).step == 0


def test_a_batch_out_of_order_is_refused(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode_later_step(message: bytes) -> FilledSlot:
        filled = decode_result(message)
        assert isinstance(filled, FilledSlot)
        return replace(filled, step=filled.step + 1)

    with load(small.url) as loaded:
        monkeypatch.setattr("client.loading.trainer.supervisor.decode_result", decode_later_step)
        with pytest.raises(ClientError, match="sent step 1: expected step 0"):
            next(loaded)
        monkeypatch.undo()
        assert next(loaded).step == 0


def test_threads_may_read_the_keys_of_a_batch_at_once(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(small.url, stop=1) as loaded:
        [batch] = loaded
    both = threading.Barrier(2, timeout=10)

    def read_together(packed: bytes) -> Any:
        both.wait()
        return read_origin(packed)

    monkeypatch.setattr("client.loading.trainer.handover.read_origin", read_together)
    found: list[Any] = []
    asking = [threading.Thread(target=lambda: found.append(batch.keys)) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert found == [batch.keys, batch.keys]
    assert len(batch.keys) == 6
