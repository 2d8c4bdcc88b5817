"""Memory for arrays is released when nobody uses it any more, without waiting for Python's cycle collector.

The collector counts objects, not bytes: a cycle of few objects could keep gigabytes of arrays.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from client import SampleError, SamplerClient
from client.batches import PackedBatch
from sampler.wire.messages import encode_error
from sampler.wire.reader import BatchReader
from tests.support.client_twins import Make
from tests.support.failing_answers import corrupt, eventually, pausing
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

BATCHES = "/v1/batches"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def broken(server: ScriptedServer, asked: Asked) -> Iterator[bytes]:
    """The first batch of a stream, and the beginning of the second."""
    batches = server.batches(asked)
    yield from next(batches)
    yield next(batches)[0]


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def readers() -> int:
    """Number of objects that hold a part of a batch."""
    return sum(type(one) is BatchReader for one in gc.get_objects())


def read_one_batch(client: Any, server: ScriptedServer) -> None:
    client.batch(indices=[1, 2])


def read_a_whole_stream(client: Any, server: ScriptedServer) -> None:
    assert len(list(client.stream(seed=7, batch_size=4, stop=3))) == 3


def abandon_a_stream(client: Any, server: ScriptedServer) -> None:
    batches = client.stream(seed=7, batch_size=4)
    next(batches)
    batches.close()


def resume_a_stream(client: Any, server: ScriptedServer) -> None:
    server.script("/v1/stream", problem(503, "not now"), lambda asked: Answer(broken(server, asked), ending="reset"))
    assert len(list(client.stream(seed=7, batch_size=4, stop=3))) == 3
    assert len(server.asked_at("/v1/stream")) == 3


def fail_and_ask_another(client: Any, servers: list[ScriptedServer]) -> None:
    for server in servers:
        server.script(BATCHES, corrupt(server))
    for index in range(4):
        client.batch([index])
    assert client.statistics.failures == 2


def lose_to_another(client: Any, servers: list[ScriptedServer]) -> None:
    released = threading.Event()
    servers[0].script(BATCHES, *[pausing(servers[0], released)] * 20)
    for seed in range(8):
        client.batch([1], seed=seed)
    released.set()
    assert client.statistics.hedges


def end_with_an_error(client: Any, servers: list[ScriptedServer]) -> None:
    for server in servers:
        server.script(BATCHES, *[lambda asked, server=server: without_step_5(server, asked)] * 40)
    with pytest.raises(SampleError, match="no image"):
        list(client.stream(seed=7, batch_size=4, stop=20))


def abandon(client: Any, servers: list[ScriptedServer]) -> None:
    abandon_a_stream(client, servers[0])


def without_step_5(server: ScriptedServer, asked: Asked) -> Answer:
    header, *_ = messages = next(server.batches(asked))
    failure = encode_error({"type": "urn:test", "title": "no image", "status": 500, "index": 4})
    return Answer([header, failure] if asked.params["step"] == "5" else messages)


def held() -> int:
    """Number of batches and parts of batches."""
    return readers() + sum(type(one) is PackedBatch for one in gc.get_objects())


@pytest.mark.parametrize("use", [fail_and_ask_another, lose_to_another])
def test_failed_attempts_at_several_servers_take_no_memory(
    use: Callable[[Any, list[ScriptedServer]], None], make: Make, server: ScriptedServer
) -> None:
    with scripted() as other:
        client = make([server.url, other.url], attempts=5, max_wait=0.02)
        client.batch([1])
        with without_collector():
            before = held()
            use(client, [server, other])
            assert eventually(lambda: held() == before)


@pytest.mark.parametrize("use", [end_with_an_error, abandon])
def test_a_stream_from_several_servers_that_has_ended_takes_no_memory(
    use: Callable[[Any, list[ScriptedServer]], None], server: ScriptedServer
) -> None:
    """With asyncio, whose tasks are in cycles with their exceptions, it waits for the collector."""
    with scripted() as other, SamplerClient([server.url, other.url]) as client:
        client.batch([1])
        with without_collector():
            before = held()
            use(client, [server, other])
            assert eventually(lambda: held() == before)


@pytest.mark.parametrize("use", [read_one_batch, read_a_whole_stream, abandon_a_stream, resume_a_stream])
def test_a_batch_that_nobody_uses_takes_no_memory(
    use: Callable[[Any, ScriptedServer], None], make: Make, server: ScriptedServer
) -> None:
    client = make(server.url)
    with without_collector():
        before = readers()
        use(client, server)
        assert readers() == before
