"""Pickling and copying clients and loaders: as their settings, whatever they were used for."""

import copy
import importlib.util
import inspect
import pickle
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from client import AsyncSamplerClient, ClientError, DigestMismatchError, Loader, SamplerClient
from client.transport.direct import DirectTransport
from tests.support.client_twins import Blocking
from tests.support.loading import load, process_of, steps
from tests.support.processes import run_python
from tests.support.scripted_server import ScriptedServer, scripted

Copy = Callable[[Any], Any]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture(params=["pickle", "deepcopy", "copy"])
def copied(request: pytest.FixtureRequest) -> Copy:
    """A function that copies an object."""
    ways: dict[str, Copy] = {
        "pickle": lambda value: pickle.loads(pickle.dumps(value)),
        "deepcopy": copy.deepcopy,
        "copy": copy.copy,
    }
    return ways[request.param]


# --- clients ---


def test_a_used_client_is_copied_as_its_settings(server: ScriptedServer, copied: Copy) -> None:
    with SamplerClient(server.url, layout="sparse", attempts=2, timeout=3.5) as used:
        batches = used.stream(seed=7, batch_size=6, stop=3)
        first = next(batches)
        with copied(used) as other:
            assert other.batch(seed=7, step=0, batch_size=6).images.tobytes() == first.images.tobytes()
        assert steps(batches) == [1, 2]  # the copy opens its own connections
    assert {asked.params["layout"] for asked in server.asked if "layout" in asked.params} == {"sparse"}


def test_a_used_client_for_asyncio_is_copied_as_its_settings(server: ScriptedServer, copied: Copy) -> None:
    used = Blocking(server.url, layout="sparse")
    expected = used.batch(indices=[1]).images.tobytes()
    other = Blocking(server.url)
    other._client = copied(used._client)
    assert isinstance(other._client, AsyncSamplerClient)
    assert other.batch(indices=[1]).images.tobytes() == expected
    assert {asked.params["layout"] for asked in server.asked if "layout" in asked.params} == {"sparse"}
    for one in (used, other):
        one.close()
        one.end()


@pytest.mark.parametrize("kind", [SamplerClient, AsyncSamplerClient])
def test_no_setting_is_left_out(kind: Any) -> None:
    assert set(kind("http://cpu-host:8000")._arguments) == set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("kind", [SamplerClient, AsyncSamplerClient])
def test_a_client_with_a_transport_that_cannot_be_pickled_says_so(kind: Any) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    with pytest.raises(ClientError, match=rf"^{kind.__name__}\(…, transport=.* cannot be pickled: .*in each process$"):
        pickle.dumps(kind("http://cpu-host:8000", transport=transport))


class PlainTransport(DirectTransport):
    """A transport that can be pickled."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return PlainTransport, ()


def test_a_transport_that_can_be_pickled_travels_with_its_client(server: ScriptedServer, copied: Copy) -> None:
    with copied(SamplerClient(server.url, transport=PlainTransport())) as other:
        assert isinstance(other._servers._contact.http._transport, PlainTransport)
        assert other.spec().digest == "d1"


def test_an_open_stream_cannot_be_pickled(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as used:
        batches = used.stream(seed=7, batch_size=6)
        next(batches)
        with pytest.raises(TypeError, match="cannot pickle 'generator' object"):
            pickle.dumps(batches)


# --- loaders ---


def test_a_used_loader_is_copied_with_its_next_step(server: ScriptedServer, copied: Copy) -> None:
    with load(server.url, stop=5) as used:
        assert steps(islice(used, 2)) == [0, 1]
        other = copied(used)
        assert isinstance(other, Loader)
        assert (other.process_id, other.statistics.batches, len(other)) == (None, 0, 5)
        assert other.state_dict() == used.state_dict()
        assert steps(other) == [2, 3, 4]
        process_of(used)  # still runs
        assert steps(used) == [2, 3, 4]


def test_a_copied_loader_expects_the_digest_of_the_first(server: ScriptedServer, copied: Copy) -> None:
    used = load(server.url)
    used.load_state_dict(used.state_dict() | {"digest": "d0"})
    with pytest.raises(DigestMismatchError, match="expected d0, as in the state"):
        next(copied(used))


def test_a_copy_of_a_closed_loader_is_open(server: ScriptedServer, copied: Copy) -> None:
    with load(server.url, stop=3) as used:
        next(used)
    assert steps(copied(used)) == [1, 2]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_a_used_dataset_is_copied_with_its_next_step(server: ScriptedServer, copied: Copy) -> None:
    dataset = load(server.url, stop=4).dataset()
    batches = iter(dataset)
    assert steps(islice(batches, 2)) == [0, 1]
    other = copied(dataset)
    assert other.state_dict() == dataset.state_dict()
    with pytest.raises(TypeError, match="cannot pickle 'generator' object"):
        pickle.dumps(batches)
    assert steps(batches) == [2, 3]
    assert steps(other) == [0, 1, 2, 3]  # a new iteration of it, as of any dataset


# --- in other processes ---

SPAWNED = """
import multiprocessing, sys
import client

def first(used):
    used = used if isinstance(used, client.SamplerClient) else used["loader"]
    return used.batch(indices=[3]).images.tobytes() if isinstance(used, client.SamplerClient) else next(used).step

if __name__ == "__main__":
    used = client.SamplerClient(sys.argv[1])
    loaded = client.loader(sys.argv[1], seed=7, batch_size=6, layout="dense", log_every=None)
    expected = first(used)
    assert first({"loader": loaded}) == 0
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(first, [used]) == expected, pool.apply(first, [{"loader": loaded}]))
    print(first(used) == expected, next(loaded).step)
    loaded.close()
"""


def test_a_used_client_and_a_used_loader_work_in_a_spawned_process(server: ScriptedServer, tmp_path: Any) -> None:
    script = tmp_path / "spawning.py"
    script.write_text(SPAWNED)
    done = run_python(script, server.url, coverage=False, variables={"PYTHONPATH": "."})
    assert done.stdout.split() == ["True", "1", "True", "1"]
