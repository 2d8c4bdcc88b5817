"""Slices of batches are batches."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from client import Batch, SamplerClient, TorchBatch, loader
from client.batches.sample_view import in_host_memory
from tests.support.scripted_server import ScriptedServer, scripted

SLICES = [
    slice(2, 5),
    slice(None),
    slice(-2, None),
    slice(5, 1, -2),
    slice(None, None, -1),
    slice(0, 6, 3),
    slice(4, 4),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture(scope="module")
def batch(server: ScriptedServer) -> Batch[int]:
    with SamplerClient(server.url) as client:
        return client.batch(seed=3, step=2, batch_size=6)


@pytest.fixture(scope="module")
def loaded(server: ScriptedServer) -> Batch[int]:
    with loader(server.url, seed=3, batch_size=6, start=2, stop=3) as batches:
        return next(batches)


@pytest.fixture(params=["arrays", "tensors", "loaded"])
def whole(request: pytest.FixtureRequest, batch: Batch, loaded: Batch) -> Batch | TorchBatch:
    if request.param == "loaded":
        return loaded
    if request.param == "tensors":
        pytest.importorskip("torch")
        return batch.torch()
    return batch


@pytest.mark.parametrize("rows", SLICES, ids=str)
def test_a_slice_holds_the_samples_that_a_list_would(whole: Batch | TorchBatch, rows: slice) -> None:
    part, chosen = whole[rows], list(range(6))[rows]
    assert type(part) is type(whole)
    assert len(part) == len(chosen)
    assert (part.step, part.digest, part.order, part.spec) == (2, whole.digest, whole.order, whole.spec)
    for row, sample in enumerate(chosen):
        assert part.keys[row] is whole.keys[sample]
        assert part.recipes[row] is whole.recipes[sample]
        assert part.untagged[row] == whole.untagged[sample]
        np.testing.assert_array_equal(part.boxes(row), whole.boxes(sample))
        np.testing.assert_array_equal(part.labels(row), whole.labels(sample))
        np.testing.assert_array_equal(part.objects(row), whole.objects(sample))
    for name, array in whole.arrays.items():
        expected = in_host_memory(array)[rows]
        assert in_host_memory(part.arrays[name]).tobytes() == expected.tobytes(), name
    assert repr(part).startswith(f"<{whole.kind}: {len(chosen)} samples, ")


def test_a_slice_shares_memory(batch: Batch) -> None:
    part = batch[1:5:2]
    assert all(np.shares_memory(array, batch.arrays[name]) for name, array in part.arrays.items())


def test_a_slice_of_a_slice_pickles_and_becomes_tensors(batch: Batch) -> None:
    part = pickle.loads(pickle.dumps(batch[::-1][1:3]))
    assert part.keys == (batch.keys[4], batch.keys[3])
    np.testing.assert_array_equal(part.boxes(0), batch.boxes(4))
    pytest.importorskip("torch")
    assert part.torch().images.numpy().tobytes() == batch.images[[4, 3]].tobytes()


def test_a_slice_of_tensors_pickles_without_the_other_samples(batch: Batch) -> None:
    pytest.importorskip("torch")
    tensors = batch.torch()
    part = tensors[1:2]
    pickled = pickle.dumps(part)
    assert len(pickled) < len(pickle.dumps(tensors)) / 3
    again = pickle.loads(pickled)
    assert type(again) is TorchBatch
    for name, tensor in part.arrays.items():
        assert again.arrays[name].numpy().tobytes() == tensor.numpy().tobytes()
    assert (again.keys, again.recipes, again.step) == (part.keys, part.recipes, part.step)
    np.testing.assert_array_equal(again.boxes(0), batch.boxes(1))


def test_batches_of_a_loader_are_shown_and_pickled_as_batches(loaded: Batch[int]) -> None:
    assert repr(loaded).startswith("<Batch: 6 samples, seed 3, step 2; ")
    for again in (pickle.loads(pickle.dumps(loaded)), copy.copy(loaded), copy.deepcopy(loaded[2:])[-6:]):
        assert type(again) is Batch
        assert again.keys[-1] == loaded.keys[5]
        np.testing.assert_array_equal(again.images[-1], loaded.images[5])
    assert not np.shares_memory(copy.deepcopy(loaded).images, loaded.images)


@pytest.mark.parametrize(
    ("index", "instead"),
    [
        (3, r"batch\[3:4\]"),
        (np.int64(2), r"batch\[2:3\]"),
        (-1, r"batch\[-1:\]"),
        (-2, r"batch\[-2:-1\]"),
        ("a", r"batch\[2:3\]"),
    ],
)
def test_a_single_index_is_refused_with_the_slice_to_use(whole: Any, index: object, instead: str) -> None:
    with pytest.raises(TypeError, match=f"a batch takes slices only: use {instead} for a batch of one sample"):
        whole[index]


def test_a_batch_is_not_iterated_by_accident(whole: Any) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(whole)
    with pytest.raises(TypeError, match="not iterable"):
        _images, _targets = whole
