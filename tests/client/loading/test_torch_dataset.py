"""The loader for PyTorch: as a dataset of DataLoader, with and without workers, and as tensors on a device."""

import importlib.util
import pickle
from itertools import islice
from typing import Any

import numpy as np
import pytest

from client import (
    Batch,
    DigestMismatchError,
    RequestRefusedError,
    SampleError,
    SamplerClient,
    StreamRequest,
    TorchBatch,
)
from sampler.stream.shards import Shard, step_keys
from sampler.wire.messages import encode_error
from tests.support.loading import DIGESTS, STREAM, load, steps
from tests.support.processes import output_of
from tests.support.scripted_server import SMALL_CORNERNET, SMALL_SACCADE, Answer, ScriptedServer, scripted

torch_installed = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not torch_installed, reason="torch is not installed")


def plain_stream(url: str, **named: Any) -> list[Batch]:
    with SamplerClient(url) as plain:
        return list(plain.stream(**STREAM | named))


def data_loader(dataset: Any, **named: Any) -> Any:
    from torch.utils.data import DataLoader  # torch is optional

    return DataLoader(dataset, batch_size=None, **named)


def assert_same(tensors: TorchBatch, arrays: Batch, tolerance: float = 0.0) -> None:
    assert (tensors.keys, tensors.recipes, tensors.step) == (arrays.keys, arrays.recipes, arrays.step)
    assert tensors.digest == arrays.digest
    np.testing.assert_array_equal(tensors.untagged.numpy(), arrays.untagged)
    assert list(tensors.arrays) == list(arrays.arrays)
    for name, tensor in tensors.arrays.items():
        assert tensor.numpy().dtype == arrays.arrays[name].dtype
        np.testing.assert_allclose(tensor.numpy(), arrays.arrays[name], rtol=0, atol=tolerance, err_msg=name)


# --- as a dataset ---


@needs_torch
@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")  # on a small machine
@pytest.mark.parametrize("workers", [0, 3])
def test_a_data_loader_gives_every_step_once_and_in_order(small: ScriptedServer, workers: int) -> None:
    dataset = load(small.url, start=2, stop=9, rank=1, world_size=4, layout="compact").dataset()
    batches = data_loader(dataset, num_workers=workers)
    assert len(batches) == 7
    expected = plain_stream(small.url, start=2, stop=9, rank=1, world_size=4)
    for tensors, arrays in zip(batches, expected, strict=True):
        assert_same(tensors, arrays)


@needs_torch
def test_a_state_with_the_digest_of_a_batch_resumes_only_with_the_same_samples(small: ScriptedServer) -> None:
    dataset, again = load(small.url, stop=3).dataset(), load(small.url, stop=3).dataset()
    batch = next(iter(data_loader(dataset, num_workers=1)))
    state = {**dataset.state_dict(), "step": batch.step + 1, "digest": batch.digest}
    again.load_state_dict(state)
    assert steps(data_loader(again, num_workers=1)) == [1, 2]
    again.load_state_dict(state | {"digest": "d0"})
    with pytest.raises(DigestMismatchError, match="d0"):
        next(iter(data_loader(again, num_workers=1)))


@needs_torch
@pytest.mark.parametrize("options", [{"batch_size": None}, {}])
def test_a_data_loader_of_a_loader_says_what_to_do(options: dict[str, None]) -> None:
    from torch.utils.data import DataLoader  # torch is optional

    wrong: Any = load("http://127.0.0.1:1", stop=3)
    with pytest.raises(TypeError, match=r"iterate over it, or use DataLoader\(loader.dataset\(\), batch_size=None\)"):
        next(iter(DataLoader(wrong, **options)))  # type: ignore[arg-type] # mypy takes None for a batch sampler


@needs_torch
def test_workers_may_be_spawned(small: ScriptedServer) -> None:
    dataset = load(small.url, stop=3).dataset()
    assert isinstance(pickle.loads(pickle.dumps(dataset)), type(dataset))
    batches = data_loader(dataset, num_workers=1, multiprocessing_context="spawn")
    assert [batch.step for batch in batches] == [0, 1, 2]


@needs_torch
def test_each_iteration_of_a_dataset_begins_at_its_start(small: ScriptedServer) -> None:
    dataset = load(small.url, start=1, stop=4).dataset()
    assert [[batch.step for batch in data_loader(dataset)] for _ in range(2)] == [[1, 2, 3]] * 2


@needs_torch
def test_a_dataset_resumes_without_workers(small: ScriptedServer) -> None:
    dataset = load(small.url, stop=6).dataset()
    assert [batch.step for batch in islice(iter(dataset), 2)] == [0, 1]
    state = dataset.state_dict()
    assert state == {"step": 2, "seed": 7, "batch_size": 6, "world_size": 1, "rank": 0} | DIGESTS
    resumed = load(small.url, stop=6).dataset()
    resumed.load_state_dict(state)
    assert [batch.step for batch in data_loader(resumed, num_workers=2)] == [2, 3, 4, 5]


@needs_torch
def test_a_dataset_resumes_in_its_workers(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def worker(number: int) -> None:
        info = type("Info", (), {"id": number, "num_workers": 2})
        monkeypatch.setattr("client.loading.torch_dataset.get_worker_info", lambda: info)

    states = []
    for number, taken in ((0, 2), (1, 1)):
        worker(number)
        dataset = load(small.url, stop=8).dataset()
        batches = iter(dataset)
        assert [batch.step for batch in islice(batches, taken)] == [0, 2, 1][number * 2 :][:taken]
        states.append(dataset.state_dict())
        batches.close()
    assert [(state["step"], state["worker"], state["workers"]) for state in states] == [(4, 0, 2), (3, 1, 2)]
    for number, expected in ((0, [4, 6]), (1, [3, 5, 7])):
        worker(number)
        dataset = load(small.url, stop=8).dataset()
        dataset.load_state_dict(states[number])
        assert [batch.step for batch in dataset] == expected
        assert [batch.step for batch in dataset] == list(range(number, 8, 2))
    dataset.load_state_dict(states[0])
    with pytest.raises(RequestRefusedError, match="worker 0 of 2 loaded in worker 1 of 2"):
        iter(dataset)


@needs_torch
@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_reaches_the_trainer(small: ScriptedServer, workers: int) -> None:
    small.script("/v1/stream", Answer([encode_error({"detail": "image 3 (a.jpg): missing", "index": 3})]))
    with pytest.raises(SampleError, match="image 3"):
        list(data_loader(load(small.url, stop=3).dataset(), num_workers=workers))


@needs_torch
@pytest.mark.parametrize("world", [1, 3, 5])
@pytest.mark.parametrize("workers", [1, 2, 4, 7])
def test_every_nth_step_is_the_same_part_of_the_same_steps(workers: int, world: int) -> None:
    every_nth_step = importlib.import_module("client.loading.torch_dataset").every_nth_step
    for rank in range(world):
        request = StreamRequest(seed=3, start=5, stop=14, shard=Shard(11, rank, world))
        found: dict[int, Any] = {}
        for worker in range(workers):
            part = every_nth_step(request, 5 + worker, workers)
            for place, wide in enumerate(range(part.start, part.stop)):
                found[5 + worker + place * workers] = step_keys(10, 3, wide, part.shard)
        assert sorted(found) == list(range(5, 14))
        for step, keys in found.items():
            assert keys == step_keys(10, 3, step, request.shard)


@needs_torch
@pytest.mark.parametrize("named", [{}, {"batch_size": 4}, {"num_workers": 1}], ids=["default", "four", "worker"])
def test_a_data_loader_that_would_stack_batches_says_what_to_do(small: ScriptedServer, named: dict[str, Any]) -> None:
    from torch.utils.data import DataLoader  # torch is optional

    with pytest.raises(RequestRefusedError, match=r"batches already: use DataLoader\(dataset, batch_size=None\)"):
        next(iter(DataLoader(load(small.url, stop=8).dataset(), **named)))


@needs_torch
def test_a_dataset_knows_its_length(small: ScriptedServer) -> None:
    assert len(load(small.url, start=1, stop=4).dataset()) == 3
    with pytest.raises(TypeError, match="no length"):
        len(load(small.url).dataset())


WITHOUT_TORCH = """
import sys


class WithoutTorch:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)


sys.meta_path.insert(0, WithoutTorch())

from client import MissingExtraError, loader

for use in (
    lambda: loader("http://127.0.0.1:1", seed=7, batch_size=4, device="cpu"),
    lambda: loader("http://127.0.0.1:1", seed=7, batch_size=4).dataset(),
):
    try:
        use()
    except MissingExtraError as error:
        print(error)
"""


def test_without_torch_the_error_says_how_to_install_it() -> None:
    line = "torch is not installed: pip install 'saccade-sampler[torch]'"
    assert output_of(WITHOUT_TORCH).splitlines() == [line, line]


# --- on a device ---


@needs_torch
@pytest.mark.parametrize("config", [SMALL_SACCADE, SMALL_CORNERNET], ids=["saccade", "cornernet"])
def test_batches_rendered_on_a_device_are_those_of_the_stream(config: Any) -> None:
    with scripted(config) as running:
        expected = plain_stream(running.url, stop=8)
        with load(running.url, stop=8, device="cpu") as loaded:
            for tensors, arrays in zip(loaded, expected, strict=True):
                assert isinstance(tensors, TorchBatch)
                assert_same(tensors, arrays, tolerance=1e-5)
            assert loaded.statistics.copies == 0


@needs_torch
def test_crops_and_boxes_reach_the_renderer_unchanged(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    def rendering(*given: Any) -> dict[str, Any]:
        seen.append(tuple(value.clone() if hasattr(value, "clone") else value for value in given))
        torch = importlib.import_module("torch")
        names = plain_stream(small.url, stop=1)[0].arrays
        return {name: torch.zeros(1) for name in names}

    module = importlib.import_module("client.loading.trainer.device_handover")
    monkeypatch.setattr(module, "render_tensors", rendering)
    with load(small.url, stop=6, device="cpu") as loaded:
        taken = [(batch.step, batch.keys) for batch in loaded]
    with SamplerClient(small.url) as plain:
        request = StreamRequest(seed=7, start=0, stop=6, shard=Shard(6))
        for packed, given, (step, keys) in zip(plain.packed_stream(request), seen, taken, strict=True):
            crops, colours, boxes, objects, starts, config, categories = given
            assert (step, keys, config, categories) == (packed.step, packed.keys, SMALL_SACCADE, 3)
            for row, sample in enumerate(packed.wire.samples):
                rows = slice(int(starts[row]), int(starts[row + 1]))
                for tensor, name in ((crops[row], "crop"), (colours[row], "colour"), (boxes[rows], "boxes"),
                                     (objects[rows], "objects")):  # fmt: skip
                    np.testing.assert_array_equal(np.asarray(tensor), sample.arrays[name])
