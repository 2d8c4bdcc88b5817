"""Packed batches: rendered into given or reused memory, or passed on to be rendered elsewhere."""

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from client import IndexRequest, PackedBatch, RequestRefusedError, SamplerClient, StreamRequest
from sampler.array_table import allocate
from sampler.arrays import LAYOUTS, Arrays, Layout
from sampler.kernels.reference import REFERENCE
from sampler.stream.shards import Shard
from tests.support.client_twins import clients
from tests.support.scripted_server import ScriptedServer, scripted


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[SamplerClient]:
    with SamplerClient(server.url) as opened:
        yield opened


def request(layout: Layout = "compact", stop: int = 1) -> StreamRequest:
    return StreamRequest(seed=3, start=0, stop=stop, shard=Shard(5), layout=layout)


def packed(client: SamplerClient, layout: Layout = "compact") -> PackedBatch:
    [batch] = client.packed_stream(request(layout))
    return batch


def same(one: Arrays, other: Arrays) -> bool:
    return list(one) == list(other) and all(one[name].tobytes() == array.tobytes() for name, array in other.items())


def test_compact_arrays_are_stacked_without_a_copy(client: SamplerClient) -> None:
    batch = packed(client)
    whole = batch.compact()
    assert (len(whole), whole.crops.shape, whole.colours.shape) == (5, (5, 63, 63, 3), (5, 3, 4))
    assert (whole.starts[0], whole.starts[-1], whole.boxes.shape[1]) == (0, len(whole.boxes), 5)
    assert len(whole.boxes) == len(whole.objects) > 0
    for row, sample in enumerate(batch.wire.samples):
        rows = slice(whole.starts[row], whole.starts[row + 1])
        assert np.shares_memory(whole.crops, sample.arrays["crop"])
        np.testing.assert_array_equal(whole.crops[row], sample.arrays["crop"])
        np.testing.assert_array_equal(whole.colours[row], sample.arrays["colour"])
        np.testing.assert_array_equal(whole.boxes[rows], sample.arrays["boxes"])
        np.testing.assert_array_equal(whole.objects[rows], sample.arrays["objects"])
    for array in (whole.crops, whole.colours, whole.boxes, whole.objects, whole.starts):
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    batch.wire.stacked["crop"][0, 0, 0, 0] ^= 1  # looking at it read-only has not made it so


def test_other_layouts_have_no_compact_arrays(client: SamplerClient) -> None:
    with pytest.raises(RequestRefusedError, match="layout = 'dense': expected compact"):
        packed(client, "dense").compact()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_batch_is_rendered_into_given_arrays(server: ScriptedServer, client: SamplerClient, layout: Layout) -> None:
    out = allocate(server.spec.config, server.spec.categories, batch=5)
    for array in out.values():
        array.fill(77)
    batch = packed(client, layout)
    rendered = batch.render(out, REFERENCE)
    assert all(array is out[name] for name, array in rendered.arrays.items())
    assert same(packed(client).render(kernels=REFERENCE).arrays, rendered.arrays)


def test_unsuitable_output_arrays_are_refused_by_name(server: ScriptedServer, client: SamplerClient) -> None:
    batch = packed(client)
    good = allocate(server.spec.config, server.spec.categories, batch=5)
    frozen = good["images"].view()
    frozen.flags.writeable = False
    for change, cause in [
        ({"images": good["images"][:4]}, r"out\['images'\] = .*expected an array of dtype <f4 and shape \(5, 3, 63"),
        ({"tl_tags": good["tl_tags"].astype(np.int32)}, r"out\['tl_tags'\] = '<i4 .*expected an array of dtype <i8"),
        ({"images": frozen}, r"out\['images'\] = 'read-only'"),
        ({"more": frozen}, "out = .*expected exactly the arrays images"),
        ({"images": [1]}, r"out\['images'\] = 'list'"),
    ]:
        with pytest.raises(RequestRefusedError, match=cause):
            batch.render({**good, **change}, REFERENCE)  # type: ignore[dict-item] # the wrong types are the point
    with pytest.raises(RequestRefusedError, match="out = "):
        batch.render({"images": good["images"]}, REFERENCE)


def test_a_dense_batch_is_not_copied(client: SamplerClient) -> None:
    batch = packed(client, "dense")
    rendered = batch.render()
    for name, array in rendered.arrays.items():
        assert np.shares_memory(array, batch.wire.stacked[name])
        assert array.flags.writeable


def test_a_loop_that_drops_its_batches_reuses_their_memory(client: SamplerClient) -> None:
    places: dict[str, set[int]] = {"crops": set(), "images": set()}
    for batch in client.packed_stream(request(stop=12)):
        places["crops"].add(batch.wire.stacked["crop"].ctypes.data)
        places["images"].add(batch.render(kernels=REFERENCE).images.ctypes.data)
    assert len(places["crops"]) <= 3
    assert len(places["images"]) <= 3


def test_kept_batches_stay_unchanged(client: SamplerClient) -> None:
    kept = [(batch, batch.render(kernels=REFERENCE).tl_heats) for batch in client.packed_stream(request(stop=6))]
    again = [batch.render(kernels=REFERENCE).tl_heats.tobytes() for batch in client.packed_stream(request(stop=6))]
    assert [heats.tobytes() for _, heats in kept] == again
    assert [batch.render(kernels=REFERENCE).tl_heats.tobytes() for batch, _ in kept] == again


def test_a_packed_batch_can_be_pickled(client: SamplerClient) -> None:
    batch = packed(client)
    again = pickle.loads(pickle.dumps(batch))
    assert (again.keys, again.wire_bytes, again.layout) == (batch.keys, batch.wire_bytes, "compact")
    assert same(again.render(kernels=REFERENCE).arrays, batch.render(kernels=REFERENCE).arrays)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_packed_batch_is_requested_like_a_batch(server: ScriptedServer, kind: str) -> None:
    with clients(kind) as make:
        client = make(server.url)
        requests: list[tuple[tuple[object, ...], dict[str, object]]] = [
            ((), {"indices": [3, 1], "seed": 7, "epoch": 2}),
            (([3, 1],), {"seed": 7, "augment": False, "layout": "sparse"}),
            ((np.array([3, 1]),), {}),
            ((), {"seed": 7, "step": 4, "batch_size": 7, "rank": 1, "world_size": 3}),
        ]
        for positional, named in requests:
            received, batch = client.packed_batch(*positional, **named), client.batch(*positional, **named)
            assert same(received.render().arrays, batch.arrays)
            assert (received.keys, received.step) == (batch.keys, batch.step)
        assert client.packed_batch(indices=[3], layout="dense").layout == "dense"
        assert client.packed_batch(request=IndexRequest(indices=(3,))).layout == "compact"
        with pytest.raises(RequestRefusedError, match="seed = 7: expected nothing together with a request"):
            client.packed_batch(IndexRequest(indices=(3,)), seed=7)
        with pytest.raises(RequestRefusedError, match="layout = 'dense': expected nothing together with a request"):
            client.packed_batch(IndexRequest(indices=(3,)), layout="dense")
        with pytest.raises(RequestRefusedError, match="indices = None: expected a list of indices"):
            client.packed_batch()
        with pytest.raises(RequestRefusedError, match="expected an IndexRequest or a StepRequest; packed_stream takes"):
            client.packed_batch(request())
        with pytest.raises(RequestRefusedError, match=r"indices = \[2\]: expected nothing together with other indices"):
            client.packed_batch([1], indices=[2])
        with pytest.raises(TypeError, match=r"^packed_batch\(\) got an unexpected keyword argument 'sede'$"):
            client.packed_batch([1], sede=7)
