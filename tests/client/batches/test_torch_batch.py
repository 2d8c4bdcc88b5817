"""Batches of tensors: moved to a device, pinned, and refused where there is no such device."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client import Batch, ClientError, RequestRefusedError, SamplerClient, loader
from sampler.errors import InvalidRequestError
from tests.support.processes import output_of
from tests.support.scripted_server import ScriptedServer, scripted

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def batch(server: ScriptedServer) -> Batch:
    with SamplerClient(server.url) as client:
        return client.batch([3, 1, 0])


def test_a_batch_moves_with_all_its_tensors(batch: Batch) -> None:
    tensors = batch.torch()
    moved = tensors.to("meta", non_blocking=True)  # the one device besides the CPU that every machine has
    assert type(moved) is type(tensors)
    assert {tensor.device.type for tensor in [*moved.arrays.values(), moved.untagged]} == {"meta"}
    assert [tuple(tensor.shape) for tensor in moved.arrays.values()] == [a.shape for a in batch.arrays.values()]
    others = [one.name for one in fields(batch) if one.name not in ("arrays", "untagged")]
    assert all(getattr(moved, name) is getattr(batch, name) for name in others)


def test_tensors_that_are_on_the_device_are_not_copied(batch: Batch) -> None:
    tensors = batch.torch()
    assert all(tensor is tensors.arrays[name] for name, tensor in tensors.to("cpu").arrays.items())


def test_data_loaders_pin_a_batch(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned: list[Any] = []

    def pin(tensor: Any) -> Any:
        pinned.append(tensor)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    tensors = batch.torch()
    again = pin_memory(tensors)
    assert type(again) is type(tensors)
    assert [id(one) for one in pinned] == [id(one) for one in [*tensors.arrays.values(), tensors.untagged]]


def test_without_a_gpu_pinning_says_what_it_needs(batch: Batch) -> None:
    with pytest.raises(ClientError, match=r"cannot be pinned: .*: expected tensors on the CPU"):
        batch.torch("meta").pin_memory()


def test_a_batch_without_values_says_so(batch: Batch) -> None:
    meta = batch.torch("meta")
    asked: list[Callable[[], object]] = [
        lambda: meta.to("cpu"), lambda: meta.image(0), lambda: meta.show(0),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(ClientError, match='this batch has no values, because it is on the device "meta"'):
            ask()
    assert "this batch has no values" in meta._repr_html_()
    assert meta.to("meta").images.is_meta


BROKEN = {
    "ImportError('libcudnn.so.9: cannot open shared object file')": "torch cannot be imported: libcudnn",
    "OSError('libtorch.so: cannot open shared object file')": "torch cannot be imported: libtorch",
    "import not_there_": "torch cannot be imported: No module named 'not_there_'",
}


@pytest.mark.parametrize("failure", BROKEN)
def test_a_broken_torch_is_not_called_missing(tmp_path: Path, failure: str) -> None:
    (tmp_path / "torch.py").write_text(failure if failure.startswith("import") else f"raise {failure}")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import client\n"
        "try: client.loader('http://127.0.0.1:1', seed=1, batch_size=2, device='cpu')\n"
        "except client.ClientError as error: print(type(error).__name__, error)"
    )
    assert output_of(program, tmp_path).startswith(f"ClientError {BROKEN[failure]}")


WRONG_DEVICES = {
    "cuda:99": "device = 'cuda:99': expected a GPU that PyTorch sees here",
    99: "device = 99: expected a GPU that PyTorch sees here",
    "vulkan": "device = 'vulkan': expected a device that PyTorch can use here, such as 'cpu', or 'cuda'",
    "warp": "device = 'warp': expected a device of PyTorch, such as 'cuda', 'cuda:1' or 'cpu'",
}


@pytest.mark.parametrize("device", WRONG_DEVICES)
@pytest.mark.parametrize("where", ["torch", "to", "loader"])
def test_a_device_that_is_not_there_has_one_message_everywhere(batch: Batch, where: str, device: Any) -> None:
    places: dict[str, Callable[[], object]] = {
        "torch": lambda: batch.torch(device),
        "to": lambda: batch.torch().to(device),
        "loader": lambda: loader("http://127.0.0.1:1", seed=1, batch_size=2, device=device),
    }
    with pytest.raises(RequestRefusedError, match=WRONG_DEVICES[device]):
        places[where]()


@pytest.mark.parametrize(("device", "shown"), [(99, "99"), ("cuda:99", "'cuda:99'")])
@pytest.mark.parametrize(("count", "seen"), [(1, "1 GPU"), (2, "2 GPUs")])
def test_a_gpu_that_is_not_there_is_named_as_it_was_given(
    monkeypatch: pytest.MonkeyPatch, device: Any, shown: str, count: int, seen: str
) -> None:
    from client import torch_device

    real = torch.device
    with_gpus = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True, device_count=lambda: count),
        device=lambda given: real("cuda", given) if isinstance(given, int) else real(given),
    )
    monkeypatch.setattr(torch_device, "torch", with_gpus)
    message = rf"device = {shown}: expected a GPU that PyTorch sees here \({seen}\)"
    with pytest.raises(InvalidRequestError, match=message):
        torch_device.require_device(device)
    torch_device.require_device(0)


def test_a_device_without_its_backend_is_refused(batch: Batch) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(RequestRefusedError, match="device = 'mps': expected a device that PyTorch can use here"):
        batch.torch("mps")
