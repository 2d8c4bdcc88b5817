"""A loader of several servers."""

import pickle
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import client
from client import DigestMismatchError, RequestRefusedError
from tests.support.loading import STREAM, load, process_of, steps
from tests.support.scripted_server import ScriptedServer, problem, scripted

STOP = 30


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(scripted()) for _ in range(3)]


@pytest.fixture
def urls(servers: list[ScriptedServer]) -> list[str]:
    return [server.url for server in servers]


@pytest.fixture(scope="module")
def expected() -> list[bytes]:
    """The images of each step, from one server."""
    with scripted() as server, client.SamplerClient(server.url) as one:
        return [batch.images.tobytes() for batch in one.stream(**STREAM, stop=STOP)]


def test_its_batches_are_those_of_one_server_while_servers_end(
    servers: list[ScriptedServer], urls: list[str], expected: list[bytes]
) -> None:
    got = []
    with load(urls, stop=STOP) as loaded:
        for batch in loaded:
            got.append(batch.images.tobytes())
            if batch.step in (8, 16):
                servers[batch.step // 8].close()
    assert got == expected


def test_the_client_of_its_process_leaves_out_what_the_trainer_did_not_meet(urls: list[str]) -> None:
    with scripted(digest="d2") as other, load([*urls, other.url], digest="d2", stop=3) as loaded:
        assert {batch.digest for batch in loaded} == {"d2"}


def test_a_state_with_a_digest_finds_the_server_that_has_it(urls: list[str]) -> None:
    with scripted(digest="d2") as other:
        loaded = load([*urls, other.url], stop=3)
        loaded.load_state_dict(loaded.state_dict() | {"digest": "d2", "step": 1})
        with loaded:
            assert [(batch.step, batch.digest) for batch in loaded] == [(1, "d2"), (2, "d2")]


def test_a_state_with_a_digest_that_no_server_has(urls: list[str]) -> None:
    loaded = load(urls)
    loaded.load_state_dict(loaded.state_dict() | {"digest": "d9"})
    with pytest.raises(DigestMismatchError, match="expected d9, as in the state that was loaded; to go on with other"):
        next(loaded)


def test_it_continues_when_its_process_is_killed(urls: list[str], expected: list[bytes]) -> None:
    with load(urls, stop=12) as loaded:
        got = [next(loaded).images.tobytes() for _ in range(3)]
        process_of(loaded).kill()
        got += [batch.images.tobytes() for batch in loaded]
    assert got == expected[:12]


def test_it_pickles_with_all_its_servers(urls: list[str]) -> None:
    loaded = load(urls, stop=2)
    copy = pickle.loads(pickle.dumps(loaded))
    assert repr(copy) == repr(loaded)
    assert all(url in repr(copy) for url in urls)
    with copy:
        assert steps(copy) == [0, 1]


def test_a_server_that_is_busy_does_not_delay_it(servers: list[ScriptedServer], urls: list[str]) -> None:
    for server in servers[:2]:
        server.script("/v1/batches", *[problem(503, "busy", {"Retry-After": "60"})] * 9)
    with load(urls, stop=9, attempts=1) as loaded:
        assert steps(loaded) == list(range(9))


@pytest.mark.parametrize("wrong", [[], ["http://a:1", "http://a:1"], ["http://a:1", "ftp://b:1"], [1]])
def test_servers_that_cannot_be_used_are_refused_at_once(wrong: list[str]) -> None:
    with pytest.raises(RequestRefusedError, match="url"):
        load(wrong)
