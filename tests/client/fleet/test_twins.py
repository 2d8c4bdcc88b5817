"""Several servers with both clients: the same batches and the same errors, whatever happens to the servers."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest

from client import (
    AsyncSamplerClient,
    Batch,
    ClientError,
    DigestMismatchError,
    RequestRefusedError,
    SampleError,
    ServerUnavailableError,
)
from client.fleet.statistics import FleetStatistics
from sampler.wire.messages import encode_error
from tests.support.client_twins import AnyClient, Make, clients
from tests.support.failing_answers import corrupt, eventually, hanging, pausing
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

STREAM: dict[str, Any] = {"seed": 3, "batch_size": 3}
BATCHES = "/v1/batches"


@pytest.fixture
def client(servers: list[ScriptedServer], make: Make) -> AnyClient:
    return make(urls(servers))


def urls(servers: list[ScriptedServer]) -> list[str]:
    return [server.url for server in servers]


def expected(make: Make, stop: int) -> list[bytes]:
    """The images of each step, from one server."""
    with scripted() as server:
        return [batch.images.tobytes() for batch in make(server.url).stream(**STREAM, stop=stop)]


def gaps(client: AnyClient, stop: int) -> tuple[list[bytes], float]:
    """The images of each step, and the longest wait for one in seconds."""
    got: list[bytes] = []
    longest, batches = 0.0, client.stream(**STREAM, stop=stop)
    while True:
        begun = time.monotonic()
        batch = next(batches, None)
        longest = max(longest, time.monotonic() - begun)
        if batch is None:
            return got, longest
        got.append(batch.images.tobytes())


def counted(client: AnyClient) -> FleetStatistics:
    assert client.statistics is not None
    return client.statistics


def state(client: AnyClient, server: ScriptedServer) -> str:
    return next(row.state for row in counted(client).servers if row.url == server.url)


# --- batches ---


def test_steps_come_in_order_from_all_servers_and_are_those_of_one(
    servers: list[ScriptedServer], client: AnyClient, make: Make
) -> None:
    batches = list(client.stream(**STREAM, stop=30))
    assert [batch.step for batch in batches] == list(range(30))
    assert [batch.images.tobytes() for batch in batches] == expected(make, 30)
    asked = [len(server.asked_at(BATCHES)) for server in servers]
    assert sum(asked) == 30
    assert min(asked) > 0
    assert list(client.stream(**STREAM, start=4, stop=4)) == []


def test_everything_else_is_that_of_one_server(client: AnyClient, make: Make) -> None:
    with scripted() as server:
        one = make(server.url)
        assert client.batch([3, 1], seed=7).images.tobytes() == one.batch([3, 1], seed=7).images.tobytes()
        assert client.batch(**STREAM, step=4).images.tobytes() == one.batch(**STREAM, step=4).images.tobytes()
        assert client.images(range(5)) == one.images(range(5))
        assert client.spec() == one.spec()
        assert one.statistics is None
    assert client.ready()


def test_both_clients_ask_the_same_server_for_a_step(servers: list[ScriptedServer]) -> None:
    asked = []
    for kind in ("sync", "async"):
        with clients(kind) as make:
            client = make(urls(servers))
            for step in range(8):
                client.batch(**STREAM, step=step)
        asked.append([[one.params["step"] for one in server.asked_at(BATCHES)] for server in servers])
        for server in servers:
            server.asked.clear()
    assert asked[0] == asked[1]


def test_the_environment_names_servers_of_a_client(
    servers: list[ScriptedServer], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLER_URL", ", ".join(urls(servers)))
    assert len(counted(make(None)).servers) == 3
    monkeypatch.setenv("SAMPLER_URL", servers[0].url)
    assert make(None).statistics is None


# --- failover ---


def test_servers_that_refuse_connections(servers: list[ScriptedServer], client: AnyClient, make: Make) -> None:
    for server in servers[:2]:
        server.close()
    got, longest = gaps(client, 30)
    assert got == expected(make, 30)
    assert longest < 1
    assert "ejected" in {state(client, server) for server in servers[:2]}


def test_servers_that_end_midway(servers: list[ScriptedServer], client: AnyClient, make: Make) -> None:
    got = []
    for batch in client.stream(**STREAM, stop=40):
        got.append(batch.images.tobytes())
        if batch.step in (10, 20):
            servers[batch.step // 10].close()
    assert got == expected(make, 40)


@pytest.mark.parametrize("kind", ["head", "body"])
def test_a_server_that_hangs_delays_a_step_by_less_than_two_seconds(
    servers: list[ScriptedServer], client: AnyClient, make: Make, released: threading.Event, kind: str
) -> None:
    hung = servers[1]
    warm, _ = gaps(client, 20)
    hung.script(BATCHES, *[hanging(released) if kind == "head" else pausing(hung, released)] * 60)
    got, longest = gaps(client, 60)
    assert (warm, got) == (expected(make, 20), expected(make, 60))
    assert longest < 2
    assert 1 <= counted(client).hedges_won <= 5


def test_damaged_bytes_and_busy_servers_send_a_step_elsewhere(servers: list[ScriptedServer], make: Make) -> None:
    servers[0].script(BATCHES, *[corrupt(servers[0])] * 2)
    servers[1].script(BATCHES, *[problem(503, "busy", {"Retry-After": "60"})] * 3)
    client = make(urls(servers), attempts=1)
    got, longest = gaps(client, 20)
    assert got == expected(make, 20)
    assert longest < 1
    assert counted(client).failures == 5


def test_an_attempt_is_over_when_every_server_has_failed(servers: list[ScriptedServer], client: AnyClient) -> None:
    for server in servers:
        server.script(BATCHES, *[problem(503, "busy")] * 9)
    with pytest.raises(ServerUnavailableError, match=r"busy \(request id .*, 3 attempts\)"):
        client.batch([3])
    assert [len(server.asked_at(BATCHES)) for server in servers] == [3, 3, 3]


def test_all_servers_hang(servers: list[ScriptedServer], make: Make, released: threading.Event) -> None:
    for server in servers:
        server.script(BATCHES, *[hanging(released)] * 9)
    client, begun = make(urls(servers), batch_seconds=1.5), time.monotonic()
    with pytest.raises(ServerUnavailableError, match=r"gave up after batch_seconds = 1\.5"):
        client.batch([3])
    assert 1.4 < time.monotonic() - begun < 3


def test_quick_requests_do_not_make_batches_late(
    servers: list[ScriptedServer], client: AnyClient, released: threading.Event
) -> None:
    for _ in range(40):
        assert client.ready()

    def slow(server: ScriptedServer) -> Callable[[Asked], Answer]:
        def script(asked: Asked) -> Answer:
            released.wait(1.2)
            return server.answer(asked)

        return script

    for server in servers:
        server.script(BATCHES, *[slow(server)] * 9)
    client.batch([3])
    assert sum(len(server.asked_at(BATCHES)) for server in servers) <= 2, "at most one hedge"
    assert counted(client).failures == 0


def test_responses_that_do_not_end_delay_no_step_by_a_second(
    servers: list[ScriptedServer], client: AnyClient, make: Make, released: threading.Event
) -> None:
    def endless(server: ScriptedServer) -> Callable[[Asked], Answer]:
        def script(asked: Asked) -> Answer:
            def pieces() -> Iterator[bytes]:
                for batch in server.batches(asked):
                    yield from batch
                released.wait(30)

            return Answer(pieces())

        return script

    for server in servers:
        server.script(BATCHES, *[endless(server)] * 20)
    got, longest = gaps(client, 6)
    assert got == expected(make, 6)
    assert longest < 1


def test_a_request_that_no_server_can_answer_blames_none(servers: list[ScriptedServer], client: AnyClient) -> None:
    failure = encode_error({"type": "urn:test", "title": "no image", "status": 500, "index": 4})

    def broken(server: ScriptedServer) -> Callable[[Asked], Answer]:
        return lambda asked: Answer([next(iter(server.batches(asked)))[0], failure])

    for server in servers:
        server.script(BATCHES, *[broken(server)] * 3)
    with pytest.raises(SampleError, match="no image"):
        client.batch([4])
    with pytest.raises(RequestRefusedError):
        client.images([99])
    assert {row.state for row in counted(client).servers} == {"used"}


def test_an_ejected_server_returns_once_it_is_ready(
    servers: list[ScriptedServer], client: AnyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.fleet.health.FIRST_PAUSE", 0.1)
    for module in ("client.fleet.probes", "client.asynchronous.runner"):
        monkeypatch.setattr(f"{module}.CHORE_SECONDS", 0.05)
    gone = servers[1]
    batches = client.stream(**STREAM)
    next(batches)
    gone.close()
    assert eventually(lambda: next(batches) is not None and state(client, gone) == "ejected")
    with scripted(port=gone.port) as back:
        assert eventually(lambda: next(batches) is not None and bool(back.asked_at(BATCHES)))
        assert back.asked_at("/readyz")
        assert state(client, gone) == "used"
        batches.close()


def test_a_pause_of_the_trainer_is_not_the_fault_of_a_server(servers: list[ScriptedServer], client: AnyClient) -> None:
    batches = client.stream(**STREAM)
    for _ in range(20):
        next(batches)
    for _ in range(2):
        time.sleep(1.2)  # more than a stall; with asyncio, the event loop does not run meanwhile
        next(batches)
    batches.close()
    assert {row.state for row in counted(client).servers} == {"used"}
    assert counted(client).failures == counted(client).hedges_won, "no more than a moment in which the machine is busy"
    assert len(servers) == 3


def test_a_pause_of_the_trainer_may_be_longer_than_the_limit_of_a_batch(
    servers: list[ScriptedServer], make: Make
) -> None:
    batches = make(urls(servers), batch_seconds=3.0).stream(**STREAM, stop=20)
    for _ in range(10):
        next(batches)
    time.sleep(3.5)  # with asyncio, the event loop does not run meanwhile
    assert [batch.step for batch in batches] == list(range(10, 20))


# --- digests ---


def test_a_server_with_another_digest_is_left_out(servers: list[ScriptedServer], make: Make) -> None:
    with scripted(digest="d2") as other:
        client = make([other.url, *urls(servers)], digest="d1")
        assert gaps(client, 20)[0] == expected(make, 20)
        assert state(client, other) == "excluded"
        lonely = make([other.url, servers[0].url], digest="d9")
        with pytest.raises(DigestMismatchError, match="expected d9, as given with digest="):
            lonely.spec()


# --- the end ---


def test_closing_ends_streams_and_connections(
    servers: list[ScriptedServer], client: AnyClient, released: threading.Event
) -> None:
    batches = client.stream(**STREAM)
    next(batches)
    for server in servers:
        server.script(BATCHES, *[hanging(released)] * 20)
    time.sleep(0.1)
    client.close()
    with pytest.raises(ClientError, match="the client is closed: make a new one"):
        list(batches)
    with pytest.raises(ClientError, match="the client is closed: make a new one"):
        client.batch([3])
    released.set()
    assert eventually(lambda: not any(server.open_connections for server in servers))


def test_leaving_a_stream_ends_its_requests(
    servers: list[ScriptedServer], client: AnyClient, released: threading.Event
) -> None:
    batches = client.stream(**STREAM)
    next(batches)
    for server in servers:
        server.script(BATCHES, *[hanging(released)] * 20)
    next(batches)
    batches.close()
    assert eventually(lambda: {row.in_flight for row in counted(client).servers} == {0})


@pytest.mark.parametrize("count", [1, 3])
def test_an_event_loop_may_end_with_an_open_stream(servers: list[ScriptedServer], count: int) -> None:
    problems: list[dict[str, Any]] = []
    streams: list[AsyncGenerator[Batch]] = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
        given = urls(servers)[:count]
        async with AsyncSamplerClient(given if count > 1 else given[0]) as client:
            streams.append(client.stream(**STREAM))
            assert (await anext(streams[0])).step == 0

    asyncio.run(leave())
    assert problems == []
