"""Steps, seeds and sizes may be NumPy integers, as saved states often contain them."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from client import IndexRequest, SamplerClient
from client.protocol.target import Target
from tests.support.loading import load, same
from tests.support.scripted_server import ScriptedServer, scripted

PLAIN: dict[str, Any] = {"seed": 7, "batch_size": 6, "start": 2, "stop": 4, "rank": 1, "world_size": 2}
NUMPY = {name: np.int64(value) for name, value in PLAIN.items()}


@pytest.fixture
def small() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def test_a_loader_takes_numpy_integers_and_its_state_has_plain_ones(small: ScriptedServer) -> None:
    with (
        SamplerClient(small.url) as plain,
        load(small.url, **NUMPY, ahead=np.int64(1), attempts=np.int64(3)) as loaded,
    ):
        for one, other in zip(loaded, plain.stream(**PLAIN), strict=True):
            assert same(one, other)
        state = loaded.state_dict()
    assert json.loads(json.dumps(state)) == state
    assert {type(state[name]) for name in ("step", "seed", "batch_size", "world_size", "rank")} == {int}


def test_a_post_request_takes_numpy_integers() -> None:
    indices = np.arange(2100)
    request = IndexRequest.of(indices, seed=np.uint64((1 << 64) - 1), epoch=np.int64((1 << 63) - 1))
    asked = request.exchange(Target("http://host:8000", "d1"))
    assert asked.method == "POST"
    body = json.loads(json.dumps(asked.body))
    assert (body["indices"], body["seed"], body["epoch"]) == (indices.tolist(), (1 << 64) - 1, (1 << 63) - 1)
