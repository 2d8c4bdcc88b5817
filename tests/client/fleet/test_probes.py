"""Probes of servers that get no requests: they go on after the request that began them."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from client import SamplerClient
from client.fleet import health, probes
from tests.support.failing_answers import eventually
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

BATCHES, READY = "/v1/batches", "/readyz"
SEEDS = count()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.2)
    monkeypatch.setattr(probes, "CHORE_SECONDS", 0.0)


@pytest.fixture
def released() -> threading.Event:
    return threading.Event()


@pytest.fixture
def excluded(released: threading.Event) -> Iterator[ScriptedServer]:
    """A server that first refuses the digest. It is ready later, and says so only then."""

    def ready(asked: Asked) -> Answer:
        released.wait(30)
        return server.answer(asked)

    with scripted() as server:
        server.script(BATCHES, problem(412, "another digest", expected="d1", actual="d2"))
        server.script(READY, *[ready] * 1000)
        yield server
        released.set()


@pytest.fixture
def client(excluded: ScriptedServer) -> Iterator[SamplerClient]:
    """A client of that server and another."""
    with scripted() as other, SamplerClient([excluded.url, other.url]) as client:
        assert eventually(lambda: ask(client) and state(client) == "excluded")
        yield client


def ask(client: SamplerClient) -> bool:
    """Make a single request, at any of the servers."""
    return client.batch([3], seed=next(SEEDS)).step is None


def state(client: SamplerClient) -> str:
    assert client.statistics is not None
    return client.statistics.servers[0].state


def running_probes() -> int:
    return sum(thread.name.startswith("probe ") for thread in threading.enumerate())


def test_single_requests_bring_a_server_back(
    client: SamplerClient, excluded: ScriptedServer, released: threading.Event
) -> None:
    assert eventually(lambda: ask(client) and bool(excluded.asked_at(READY)))
    assert state(client) == "excluded"
    released.set()
    assert eventually(lambda: state(client) == "used")


def test_closing_the_client_ends_the_probes(client: SamplerClient, excluded: ScriptedServer) -> None:
    assert eventually(lambda: ask(client) and bool(excluded.asked_at(READY)))
    assert running_probes()
    client.close()
    assert not running_probes()


def test_a_probe_without_a_thread_is_made_later(
    client: SamplerClient, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = threading.Thread.start, list[str]()

    def start_unless_probe(thread: threading.Thread) -> None:
        if thread.name.startswith("probe "):
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_unless_probe)
        assert eventually(lambda: ask(client) and len(refused) > 1)
    released.set()
    assert eventually(lambda: ask(client) and state(client) == "used")
