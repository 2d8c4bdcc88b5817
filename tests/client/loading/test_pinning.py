"""Pinned memory, with stand-ins for CUDA."""

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from client.loading.slots import SharedSlots
from sampler.wire.spec import ServiceSpec
from tests.support.scripted_server import SMALL_SACCADE

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")

SPEC = ServiceSpec("d1", "dataset", 10, ("one", "two", "three"), SMALL_SACCADE, 64, 1 << 20)


@dataclass
class StandInCudart:
    """CUDA's runtime as far as pinning needs it; `result` is what registering gives."""

    result: int = 0
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def cudaHostRegister(self, address: int, size: int, flags: int) -> int:  # noqa: N802 - CUDA's name
        self.calls.append(("register", address, size, flags))
        return self.result

    def cudaHostUnregister(self, address: int) -> int:  # noqa: N802 - CUDA's name
        self.calls.append(("unregister", address))
        return 0


@dataclass
class StandInEvent:
    """A CUDA event: `done` once the copies before it are."""

    done: bool = False
    waited_for: bool = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.waited_for = self.done = True


@pytest.fixture
def slots() -> Iterator[SharedSlots]:
    made = SharedSlots.create(6, 8192)
    yield made
    made.close()


@pytest.fixture
def cudart(monkeypatch: pytest.MonkeyPatch) -> StandInCudart:
    stand_in = StandInCudart()
    monkeypatch.setattr("torch.cuda.cudart", lambda: stand_in)
    monkeypatch.setattr("torch.cuda.device", nullcontext)
    monkeypatch.setattr(
        "client.loading.trainer.device_handover._clear_cuda_error", lambda _: stand_in.calls.append(("forget",))
    )
    return stand_in


def pinned(slots: SharedSlots) -> Any:
    return importlib.import_module("client.loading.trainer.device_handover").PinnedSlots(slots, "cuda:1")


def test_all_slots_are_registered_once_and_unregistered_once(slots: SharedSlots, cudart: StandInCudart) -> None:
    memory = pinned(slots)
    array = np.frombuffer(slots.slot(2), np.uint8)
    assert memory.tensor(array).data_ptr() == array.ctypes.data
    memory.close()
    memory.close()
    address = np.frombuffer(slots.memory, np.uint8).ctypes.data
    assert cudart.calls == [("register", address, 6 * 8192, 1), ("unregister", address)]


def test_memory_that_cannot_be_registered_is_copied_to_pinned_memory(
    slots: SharedSlots, cudart: StandInCudart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch.Tensor.pin_memory", lambda tensor: tensor.clone())
    cudart.result = 712
    with caplog.at_level(logging.WARNING, "saccade_client"):
        memory = pinned(slots)
    array = np.frombuffer(slots.slot(2), np.uint8)
    tensor = memory.tensor(array)
    assert tensor.data_ptr() != array.ctypes.data
    np.testing.assert_array_equal(tensor.numpy(), array)
    memory.close()
    assert [call[0] for call in cudart.calls] == ["register", "forget"]
    assert [record.message for record in caplog.records] == [
        "the loader's memory of 49152 bytes cannot be pinned (CUDA error 712): batches are copied to pinned memory"
    ]


def test_slots_are_kept_until_the_gpu_has_read_them(slots: SharedSlots, cudart: StandInCudart) -> None:
    handover = importlib.import_module("client.loading.trainer.device_handover").DeviceHandover(SPEC, 2, "cpu")
    handover._pinned = pinned(slots)
    events = [StandInEvent() for _ in range(4)]
    for event in events[:3]:
        handover._copying.append((event, object()))
    handover.make_room()
    assert len(handover._copying) == 3
    events[0].done = True
    handover.make_room()
    assert [event for event, _ in handover._copying] == events[1:3]
    for event in (StandInEvent(), events[3]):
        handover._copying.append((event, object()))
    handover.make_room()
    assert events[1].waited_for
    assert not events[2].done
    handover.close()
    assert events[2].waited_for
    assert events[3].waited_for
    assert [call[0] for call in cudart.calls] == ["register", "unregister"]
