"""The client with a real server."""

import asyncio
from collections.abc import Iterator

import pytest

from client import AsyncSamplerClient, Batch, RequestRefusedError, SamplerClient
from sampler.arrays import LAYOUTS
from tests.support.live_server import LiveServer


@pytest.fixture
def client(server: LiveServer) -> Iterator[SamplerClient]:
    with SamplerClient(server.url, attempts=3) as opened:
        yield opened


def same(one: Batch, other: Batch) -> bool:
    alike = one.keys == other.keys and one.recipes == other.recipes
    return alike and all(one.arrays[name].tobytes() == array.tobytes() for name, array in other.arrays.items())


def test_a_batch_by_index_is_the_same_in_every_layout(client: SamplerClient) -> None:
    indices = [0, 3, client.spec().size - 1, 3]
    batches = [client.batch(indices, seed=7, epoch=1, layout=layout) for layout in LAYOUTS]
    assert same(batches[0], batches[1])
    assert same(batches[0], batches[2])
    assert [key.index for key in batches[0].keys] == indices


def test_a_stream_equals_its_steps(client: SamplerClient) -> None:
    batches = list(client.stream(seed=7, start=2, stop=5, batch_size=6, rank=1, world_size=4))
    assert [batch.step for batch in batches] == [2, 3, 4]
    for batch in batches:
        assert same(batch, client.batch(seed=7, step=batch.step or 0, batch_size=6, rank=1, world_size=4))


def test_the_ranks_of_a_step_make_the_whole_step(client: SamplerClient) -> None:
    whole = client.batch(seed=7, step=3, batch_size=7)
    parts = [client.batch(seed=7, step=3, batch_size=7, rank=rank, world_size=3) for rank in range(3)]
    assert tuple(key for part in parts for key in part.keys) == whole.keys


def test_an_endless_stream_may_be_left(client: SamplerClient) -> None:
    for batch in client.stream(seed=7, batch_size=2, augment=False):
        if batch.step == 3:
            break
    assert client.ready()


def test_the_async_client_gets_the_same(server: LiveServer, client: SamplerClient) -> None:
    async def fetch() -> list[Batch]:
        async with AsyncSamplerClient(server.url) as twin:
            streamed = [batch async for batch in twin.stream(seed=7, start=2, stop=4, batch_size=3)]
            return [await twin.batch([1, 2], seed=9), *streamed]

    alone, *streamed = asyncio.run(fetch())
    assert same(alone, client.batch([1, 2], seed=9))
    for one, other in zip(streamed, client.stream(seed=7, start=2, stop=4, batch_size=3), strict=True):
        assert same(one, other)


def test_an_index_past_the_end_is_refused_by_name(client: SamplerClient) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        client.batch([0, client.spec().size])
    assert caught.value.problem["status"] == 422
    assert caught.value.errors[0]["field"] == "indices[1]"
    assert caught.value.request_id


def test_a_batch_larger_than_the_limit_is_refused_by_name(client: SamplerClient) -> None:
    with pytest.raises(RequestRefusedError):
        client.batch([0] * (client.spec().max_batch + 1))
