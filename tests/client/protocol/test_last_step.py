"""The end of an endless stream."""

from typing import Any

import pytest

from client import SamplerClient
from sampler.stream.shards import Shard, last_step, step_keys
from tests.support.live_server import LiveServer
from tests.support.loading import load


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_endless_stream_ends_after_the_last_possible_step(server: LiveServer, batch_size: int) -> None:
    shard = Shard(batch_size)
    last = last_step(shard)
    asked: dict[str, Any] = {"seed": 7, "start": last - 1, "batch_size": batch_size, "layout": "dense"}
    with SamplerClient(server.url, attempts=2, max_wait=0.05) as plain, load(server.url, **asked) as loaded:
        size = plain.spec().size
        expected = [(step, tuple(step_keys(size, 7, step, shard))) for step in (last - 1, last)]
        assert [(batch.step, batch.keys) for batch in plain.stream(**asked)] == expected
        assert [(batch.step, batch.keys) for batch in loaded] == expected
