"""Batches have the sampler's own arrays, in every layout and with both clients."""

import importlib.util
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import Batch, ClientError, MissingExtraError, RequestRefusedError, SamplerClient, StreamRequest
from sampler.array_table import dense_table
from sampler.arrays import LAYOUTS
from sampler.config_schema import SamplerConfig
from sampler.layouts.convert import compact, compact_to_dense
from sampler.recipe import Recipe
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from tests.support.client_twins import Make, clients
from tests.support.scripted_server import SMALL_CORNERNET, SMALL_SACCADE, ScriptedServer, scripted

INDICES = [3, 1, 0, 9, 3]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with clients(request.param) as maker:
        yield maker


@pytest.fixture(scope="module", params=[SMALL_SACCADE, SMALL_CORNERNET], ids=["saccade", "cornernet"])
def server(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    with scripted(request.param) as running:
        yield running


def own_arrays(server: ScriptedServer, keys: list[SampleKey], augment: bool = True) -> list[dict[str, Any]]:
    config = server.spec.config
    samples = [make_sample(server.pictures, config, key, augment=augment) for key in keys]
    return [compact_to_dense(compact(sample), config, server.spec.categories) for sample in samples]


def assert_same(batch: Batch, rows: list[dict[str, Any]]) -> None:
    assert len(batch) == len(rows)
    for name, array in batch.arrays.items():
        whole = np.stack([row[name] for row in rows])
        assert array.dtype == whole.dtype
        assert array.tobytes() == whole.tobytes(), name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("augment", [True, False])
def test_a_batch_is_what_the_sampler_makes_to_the_last_bit(
    server: ScriptedServer, make: Make, layout: str, augment: bool
) -> None:
    batch = make(server.url).batch(INDICES, seed=7, epoch=2, augment=augment, layout=layout)
    keys = [SampleKey(7, 2, index) for index in INDICES]
    assert_same(batch, own_arrays(server, keys, augment))
    assert list(batch.keys) == keys
    assert (batch.step, batch.digest) == (None, "d1")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_batch_by_seed_is_the_ranks_part_of_the_step(server: ScriptedServer, make: Make, rank: int) -> None:
    batch = make(server.url).batch(seed=7, step=4, batch_size=7, rank=rank, world_size=3)
    keys = step_keys(10, 7, 4, Shard(7, rank, 3))
    assert list(batch.keys) == keys
    assert batch.step == 4
    assert_same(batch, own_arrays(server, keys))


def test_a_stream_is_the_batches_of_its_steps(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    batches = list(client.stream(seed=3, start=2, stop=6, batch_size=4, rank=1, world_size=2, layout="sparse"))
    assert [batch.step for batch in batches] == [2, 3, 4, 5]
    for batch in batches:
        alone = client.batch(seed=3, step=batch.step, batch_size=4, rank=1, world_size=2)
        assert all(alone.arrays[name].tobytes() == array.tobytes() for name, array in batch.arrays.items())


def test_an_empty_stream_sends_no_request(make: Make) -> None:
    with scripted() as server:
        assert list(make(server.url).stream(seed=3, start=6, stop=6, batch_size=4)) == []
        assert server.asked_at("/v1/stream") == []


def test_a_long_list_of_indices_is_sent_by_post(
    server: ScriptedServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.protocol.requests.MAX_URL_LENGTH", 400)  # so that a short list is a long one
    count = len(server.asked_at("/v1/batches"))
    batch = make(server.url).batch([2] * 210, seed=1 << 63)
    assert len(batch) == 210
    assert [asked.method for asked in server.asked_at("/v1/batches")[count:]] == ["POST"]


def test_arrays_are_those_of_the_array_table(server: ScriptedServer, make: Make) -> None:
    batch = make(server.url).batch(INDICES)
    table = dense_table(server.spec.config, server.spec.categories)
    assert list(batch.arrays) == [row.name for row in table]
    for row in table:
        array = batch.arrays[row.name]
        assert (array.dtype.str, array.shape) == (row.dtype, (5, *row.shape))
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_xs_and_ys_are_the_lists_of_the_published_training_step(server: ScriptedServer, make: Make) -> None:
    batch = make(server.url).batch(INDICES)
    names = ["tl_heats", "br_heats", "tag_masks", "tl_regrs", "br_regrs", "tl_tags", "br_tags"]
    expected: list[Any] = [getattr(batch, name) for name in names]
    if server.spec.config.kind == "saccade":
        expected += [batch.tl_valids, batch.br_valids, list(batch.attentions)]
        assert len(batch.attentions) == 2
    else:
        assert batch.tl_valids is None
        assert batch.br_valids is None
        assert batch.attentions == ()
    assert [id(array) for array in batch.xs] == [id(batch.images)]
    for found, wanted in zip(batch.ys, expected, strict=True):
        assert found is wanted or all(a is b for a, b in zip(found, wanted, strict=True))


def test_objects_without_room_are_counted() -> None:
    with scripted(SMALL_CORNERNET) as server, SamplerClient(server.url) as client:
        batch = client.batch([1, 0], augment=False)
        made = make_sample(server.pictures, SMALL_CORNERNET, SampleKey(0, 0, 1), augment=False)
        assert int(made.objects.sum()) > SMALL_CORNERNET.max_objects
        assert batch.untagged.tolist() == [int(made.objects.sum()) - SMALL_CORNERNET.max_objects, 0]


def test_a_saved_batch_loads_without_pickle(tmp_path: Path) -> None:
    with scripted() as server, SamplerClient(server.url) as client:
        batch = client.batch(seed=(1 << 64) - 1, step=5, batch_size=3)
    batch.save(tmp_path / "batch.any")
    assert [path.name for path in tmp_path.iterdir()] == ["batch.any"]
    with np.load(tmp_path / "batch.any", allow_pickle=False) as saved:
        assert all(saved[name].tobytes() == array.tobytes() for name, array in batch.arrays.items())
        assert [SampleKey(*row) for row in saved["keys"].tolist()] == list(batch.keys)
        assert tuple(Recipe.parse(json.loads(str(text))) for text in saved["recipes"]) == batch.recipes
        assert (int(saved["step"]), str(saved["digest"])) == (5, "d1")


def test_a_batch_that_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    with scripted() as server, SamplerClient(server.url) as client:
        batch = client.batch([3])
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        batch.save(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_packed_batches_render_to_the_same_batches() -> None:
    request = StreamRequest(seed=3, start=1, stop=4, shard=Shard(4))
    with scripted() as server, SamplerClient(server.url) as client:
        rendered = list(client.stream(seed=3, start=1, stop=4, batch_size=4))
        for packed, batch in zip(client.packed_stream(request), rendered, strict=True):
            again = packed.render()
            assert (len(packed), packed.step, packed.keys) == (4, batch.step, batch.keys)
            assert all(again.arrays[name].tobytes() == array.tobytes() for name, array in batch.arrays.items())
            assert packed.wire_bytes > 4 * 63 * 63 * 3


@settings(max_examples=15, deadline=None)
@given(
    indices=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    seed=st.integers(0, (1 << 64) - 1),
    epoch=st.integers(0, (1 << 63) - 1),
)
def test_a_batch_is_its_samples(server: ScriptedServer, indices: list[int], seed: int, epoch: int) -> None:
    with SamplerClient(server.url) as client:
        together = client.batch(indices, seed=seed, epoch=epoch, layout="dense")
        assert_same(together, own_arrays(server, [SampleKey(seed, epoch, index) for index in indices]))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_tensors_are_the_arrays(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as client:
        batch = client.batch(INDICES)
    for tensors in (batch.torch(), batch.torch("cpu")):
        for name, array in batch.arrays.items():
            assert tensors.arrays[name].numpy().tobytes() == array.tobytes()
        assert tensors.keys == batch.keys
        assert len(tensors) == len(batch)
        assert len(tensors.ys) == len(batch.ys)


class StandIn:
    """As much of torch as `Batch.torch` calls, so that the names are seen to be right without torch."""

    def __init__(self, array: Any) -> None:
        self.array = array

    @staticmethod
    def from_numpy(array: Any) -> "StandIn":
        return StandIn(array)


def test_tensors_have_the_names_of_the_arrays(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", StandIn)
    with SamplerClient(server.url) as client:
        batch = client.batch(INDICES)
    tensors: Any = batch.torch()
    assert list(tensors.arrays) == list(batch.arrays)
    assert all(tensor.array is batch.arrays[name] for name, tensor in tensors.arrays.items())
    assert tensors.untagged.array is batch.untagged
    assert (tensors.keys, tensors.recipes, tensors.step, len(tensors)) == (batch.keys, batch.recipes, None, 5)
    assert (len(tensors.xs), len(tensors.ys)) == (1, len(batch.ys))


def test_without_torch_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with scripted() as server, SamplerClient(server.url) as client:
        batch = client.batch([3])
    with pytest.raises(MissingExtraError, match=r"pip install 'saccade-sampler\[torch\]'") as caught:
        batch.torch()
    assert isinstance(caught.value, ClientError)
    assert isinstance(caught.value, ImportError)


def test_wrong_values_are_refused_before_anything_is_sent(make: Make) -> None:
    with scripted() as server:
        client = make(server.url)
        with pytest.raises(RequestRefusedError) as caught:
            client.stream(seed=3, batch_size=4, rank=4, world_size=4)
        assert caught.value.errors == [{"field": "rank", "value": 4, "expected": "an integer from 0 to 3"}]
        with pytest.raises(RequestRefusedError, match="indices"):
            client.batch([])
        assert server.asked == []


@pytest.mark.parametrize(
    "setting", [{"attempts": 0}, {"max_wait": -1}, {"timeout": 0}, {"layout": "tight"}, {"max_wait": float("nan")}]
)
def test_wrong_settings_are_refused(make: Make, setting: dict[str, Any]) -> None:
    with pytest.raises(RequestRefusedError, match=next(iter(setting))):
        make("http://127.0.0.1:1", **setting)


def test_a_batch_survives_pickling(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as client:
        batch = client.batch(INDICES)
    again = pickle.loads(pickle.dumps(batch))
    assert (again.keys, again.recipes) == (batch.keys, batch.recipes)
    assert all(again.arrays[name].tobytes() == array.tobytes() for name, array in batch.arrays.items())


def test_the_spec_is_the_servers(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    config: SamplerConfig = client.spec().config
    assert client.spec() == server.spec
    assert config == server.spec.config
    assert client.ready()
