"""Ctrl-C at any moment of the first batch: the next call works.

Imports are the delicate moments, and the first batch imports most of what there is. So each test counts the imports of
an uninterrupted run, and then interrupts at some of them, spread over the run, each time in a fresh process.
"""

import json
from collections.abc import Iterator

import pytest

from tests.support.processes import run_python
from tests.support.scripted_server import ScriptedServer, scripted

INTERRUPTED = """
import hashlib, json, os, signal, sys

url, moments = sys.argv[1], int(sys.argv[2])
count, limit = 0, 0

def watch(event, _):
    global count
    count += event == "import"
    if event == "import" and count == limit:
        os.kill(os.getpid(), signal.SIGINT)

def attempt(moment):
    global limit
    limit = moment
    try:
        said = [str(run())]
    except KeyboardInterrupt:
        said = ["interrupted"]
    try:
        return [count, *said, str(run())]
    except Exception as error:
        return [count, *said, repr(error)]

def forked(moment):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        sys.addaudithook(watch)
        os.write(writing, json.dumps(attempt(moment)).encode())
        sys.exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(said)

{run}

imports, _, expected = forked(0)
print(json.dumps([expected, [forked(1 + imports * moment // moments)[1:] for moment in range(moments)]]))
"""

BATCH = """
def run():
    from client import SamplerClient

    with SamplerClient(url) as used:
        return hashlib.sha256(used.batch(indices=[3]).images).hexdigest()
"""

SEVERAL = """
def run():
    from client import SamplerClient

    with SamplerClient(url.split()) as used:
        hashes = [hashlib.sha256(batch.images).hexdigest() for batch in used.stream(seed=7, batch_size=6, stop=4)]
    import threading
    assert threading.active_count() == 1
    return hashes
"""

LOADER = """
def run():
    import client

    with client.loader(url, seed=7, batch_size=6, log_every=None) as loaded:
        return hashlib.sha256(next(loaded).images).hexdigest()
"""

UNCACHED_KERNEL = """
import numpy

def twice(value):
    return value + value

def run():
    from sampler.kernels.compiled import code_cache, jit

    code_cache.CODE.use_numba_only()
    return jit.njit()(twice)(4)
"""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.mark.parametrize(
    ("run", "moments"),
    [(BATCH, 10), (LOADER, 4), (UNCACHED_KERNEL, 8)],
    ids=["batch", "loader", "kernel-compiled-by-numba"],
)
def test_after_an_interrupt_the_next_call_works(server: ScriptedServer, run: str, moments: int) -> None:
    done = run_python("-c", INTERRUPTED.replace("{run}", run), server.url, moments, coverage=False)
    expected, attempts = json.loads(done.stdout)
    assert {again for _, again in attempts} == {expected}
    assert {first for first, _ in attempts} <= {"interrupted", expected}
    assert [first for first, _ in attempts].count("interrupted") > moments // 2


def test_after_an_interrupt_several_servers_can_be_used_again(server: ScriptedServer) -> None:
    with scripted() as other:
        urls = f"{server.url} {other.url}"
        done = run_python("-c", INTERRUPTED.replace("{run}", SEVERAL), urls, 4, coverage=False)
    expected, attempts = json.loads(done.stdout)
    assert {again for _, again in attempts} == {expected}
    assert {first for first, _ in attempts} <= {"interrupted", expected}
    assert [first for first, _ in attempts].count("interrupted") > 2
