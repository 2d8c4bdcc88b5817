"""The loader against a real server: batches in step order, each once, the very ones that the client's stream gives."""

from itertools import islice

import pytest

import client
from client import Batch, Loader, SamplerClient
from tests.live_server import LiveServer

STREAM = {"seed": 7, "batch_size": 6}


def same(one: Batch, other: Batch) -> bool:
    alike = (one.keys, one.recipes, one.step, one.digest) == (other.keys, other.recipes, other.step, other.digest)
    arrays = one.arrays | {"untagged": one.untagged}
    others = other.arrays | {"untagged": other.untagged}
    return alike and list(arrays) == list(others) and all(
        arrays[name].dtype == others[name].dtype and arrays[name].tobytes() == others[name].tobytes() for name in arrays
    )  # fmt: skip


def steps(batches: object) -> list[int | None]:
    return [batch.step for batch in batches]  # type: ignore[attr-defined] # any iterable of batches


def test_a_loaders_batches_are_those_of_the_stream(server: LiveServer) -> None:
    with SamplerClient(server.url) as plain, client.loader(server.url, **STREAM, stop=6) as loaded:
        for one, other in zip(loaded, plain.stream(**STREAM, stop=6), strict=True):
            assert same(one, other)
