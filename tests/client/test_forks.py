"""Clients and streams after a fork: the child cannot use them, and the parent does not notice it."""

import subprocess
from collections.abc import Iterator

import pytest

from client import ClientError
from client.process_owner import ProcessOwner
from tests.support.processes import run_python
from tests.support.scripted_server import ScriptedServer, scripted

STOP = 40

BEGIN = """
import asyncio, gc, multiprocessing, os, sys
import client

url, stop = sys.argv[1].split(), int(sys.argv[2])
url = url[0] if len(url) == 1 else url

def forked(use):
    child = os.fork()
    if child == 0:
        use()
        leave(0)
    assert os.waitpid(child, 0)[1] == 0

def refused(use):
    try:
        print(use())
    except client.ClientError as error:
        print(error, flush=True)

def rest(batches):
    print("parent", [batch.step for batch in batches] == list(range(1, stop)))
"""

SYNC = """
leave = sys.exit
used = client.SamplerClient(url)
batches = used.stream(seed=7, batch_size=6, stop=stop, layout="dense")
assert next(batches).step == 0

def use():
    refused(lambda: next(batches))
    refused(lambda: used.batch(indices=[1]))
    refused(used.ready)

def drop():
    global batches, used
    batches.close()
    used.close()
    del batches, used
    gc.collect()

forked(use)
forked(drop)
forked(lambda: None)
process = multiprocessing.get_context("fork").Process(target=gc.collect)
process.start()
process.join()
rest(batches)
"""

ASYNC = """
leave = os._exit  # as multiprocessing does; asyncio's own clean-up in a fork would stop the parent's event loop
used = client.AsyncSamplerClient(url)
batches = used.stream(seed=7, batch_size=6, stop=stop, layout="dense")
runner = asyncio.Runner()

async def advance():
    return await anext(batches, None)

assert runner.run(advance()).step == 0

def use():
    refused(lambda: runner.run(advance()))
    refused(lambda: asyncio.run(used.batch(indices=[1])))
    refused(lambda: asyncio.run(used.ready()))

def drop():
    global batches, used
    asyncio.run(used.close())
    del batches, used
    gc.collect()

forked(use)
forked(drop)
forked(lambda: None)
rest(iter(lambda: runner.run(advance()), None))
runner.run(used.close())
runner.close()
"""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def assert_undisturbed(done: subprocess.CompletedProcess[str]) -> None:
    *children, parent = done.stdout.splitlines()
    assert len(children) == 3
    for said in children:
        assert said.startswith("this client belongs to process ")
        assert said.endswith(": after a fork, make a new one")
    assert parent == "parent True"


@pytest.mark.parametrize("script", [SYNC, ASYNC], ids=["sync", "async"])
def test_a_fork_cannot_use_a_stream_or_its_client_and_does_not_disturb_the_parent(
    server: ScriptedServer, script: str
) -> None:
    done = run_python("-c", BEGIN + script, server.url, STOP, coverage=False, timeout=30)
    assert_undisturbed(done)
    assert len(server.asked_at("/v1/stream")) == 1


def test_a_fork_does_not_disturb_a_stream_from_several_servers(server: ScriptedServer) -> None:
    with scripted() as other:
        urls = f"{server.url} {other.url}"
        assert_undisturbed(run_python("-c", BEGIN + SYNC, urls, STOP, coverage=False, timeout=30))
        steps = [asked.integer("step") for one in (server, other) for asked in one.asked_at("/v1/batches")]
    assert sorted(steps) == list(range(STOP))


def test_a_fork_cannot_read_the_statistics_of_several_servers(server: ScriptedServer) -> None:
    script = """
leave = sys.exit
used = client.SamplerClient(url)
used.batch(indices=[1])
forked(lambda: refused(lambda: used.statistics))
print(used.statistics.requests > 0)
"""
    with scripted() as other:
        done = run_python("-c", BEGIN + script, f"{server.url} {other.url}", STOP, coverage=False, timeout=30)
    said, counted = done.stdout.splitlines()
    assert said.startswith("this client belongs to process ")
    assert counted == "True"


def test_a_client_that_was_not_used_before_the_fork_works_in_the_child(server: ScriptedServer) -> None:
    script = """
leave = sys.exit
unused = client.SamplerClient(url)
forked(lambda: print(unused.batch(indices=[1]).keys[0].index, flush=True))
print(unused.batch(indices=[2]).keys[0].index)
"""
    assert run_python("-c", BEGIN + script, server.url, STOP, coverage=False, timeout=30).stdout.split() == ["1", "2"]


def test_an_object_belongs_to_the_process_that_uses_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ProcessOwner("client")
    before = owner.here
    monkeypatch.setattr("client.process_owner.os.getpid", lambda: 41)
    owner.require()
    owner.require()
    monkeypatch.setattr("client.process_owner.os.getpid", lambda: 42)
    assert (before, owner.here) == (True, False)
    with pytest.raises(ClientError, match="this client belongs to process 41: after a fork, make a new one"):
        owner.require()
    monkeypatch.setattr("client.process_owner.os.getpid", lambda: 41)
    owner.require()
