"""Memory for arrays is released when nobody uses it any more, without waiting for Python's cycle collector.

The collector counts objects, not bytes: a cycle of few objects could keep gigabytes of arrays.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sampler.wire.reader import BatchReader
from tests.support.client_twins import Make
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted


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


@pytest.mark.parametrize("use", [read_one_batch, read_a_whole_stream, abandon_a_stream, resume_a_stream])
def test_a_batch_that_nobody_uses_takes_no_memory(
    use: Callable[[Any, ScriptedServer], None], make: Make, server: ScriptedServer
) -> None:
    client = make(server.url)
    with without_collector():
        before = readers()
        use(client, server)
        assert readers() == before
