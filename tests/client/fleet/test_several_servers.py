"""One client of several servers: the same batches in the same order, whatever happens to the servers."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from client import (
    ClientError,
    DigestMismatchError,
    RequestRefusedError,
    SampleError,
    SamplerClient,
    ServerUnavailableError,
)
from client.fleet import steps as steps_module
from client.fleet.statistics import ServerStatistics
from client.fleet.steps import LEAST_STEPS, MEMORY_BYTES, MOST_STEPS, steps_ahead
from sampler.wire.messages import encode_error
from tests.support.client_threads import own_threads
from tests.support.failing_answers import corrupt, eventually, hanging, pausing
from tests.support.processes import start_python
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

STREAM: dict[str, Any] = {"seed": 3, "batch_size": 3}
BATCHES = "/v1/batches"
QUICK: dict[str, Any] = {"attempts": 3, "max_wait": 0.02}
LIMIT = 4.0
"""`batch_seconds` of a trainer that is stopped for longer."""


@pytest.fixture
def client(servers: list[ScriptedServer]) -> Iterator[SamplerClient]:
    with SamplerClient([server.url for server in servers], **QUICK) as made:
        yield made


def expected(stop: int) -> list[bytes]:
    """The images of each step, from one server."""
    with scripted() as server, SamplerClient(server.url) as one:
        return [batch.images.tobytes() for batch in one.stream(**STREAM, stop=stop)]


def images(client: SamplerClient, stop: int) -> list[bytes]:
    return [batch.images.tobytes() for batch in client.stream(**STREAM, stop=stop)]


def gaps(client: SamplerClient, stop: int) -> tuple[list[bytes], float]:
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


def of(client: SamplerClient, server: ScriptedServer) -> ServerStatistics:
    """The counts of one server."""
    assert client.statistics is not None
    return next(row for row in client.statistics.servers if row.url == server.url)


class TestSteps:
    def test_they_come_in_order_and_are_those_of_one_server(
        self, servers: list[ScriptedServer], client: SamplerClient
    ) -> None:
        batches = list(client.stream(**STREAM, stop=40))
        assert [batch.step for batch in batches] == list(range(40))
        assert [batch.images.tobytes() for batch in batches] == expected(40)
        asked = [len(server.asked_at(BATCHES)) for server in servers]
        assert sum(asked) == 40
        assert min(asked) > 0
        assert {one.params["digest"] for server in servers for one in server.asked_at(BATCHES)} == {"d1"}
        assert not [one for server in servers for one in server.asked_at("/v1/stream")]

    @pytest.mark.parametrize(("start", "stop", "steps"), [(5, 9, [5, 6, 7, 8]), (4, 4, []), (0, 1, [0])])
    def test_they_are_those_asked_for(self, client: SamplerClient, start: int, stop: int, steps: list[int]) -> None:
        assert [batch.step for batch in client.stream(**STREAM, start=start, stop=stop)] == steps

    def test_connections_are_kept_alive(self, servers: list[ScriptedServer], client: SamplerClient) -> None:
        images(client, 40)
        assert sum(server.open_connections for server in servers) <= 3 * steps_module.STEPS_PER_SERVER + 3

    def test_no_more_are_requested_ahead_than_have_room(
        self, servers: list[ScriptedServer], client: SamplerClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(steps_module, "MEMORY_BYTES", 1)
        batches = client.stream(**STREAM, stop=40)
        for _ in range(4):
            next(batches)
        time.sleep(0.3)
        assert sum(len(server.asked_at(BATCHES)) for server in servers) <= 4 + LEAST_STEPS
        batches.close()

    def test_their_number_follows_from_servers_and_memory(self) -> None:
        assert steps_ahead(3, 0) == LEAST_STEPS
        assert steps_ahead(3, 1000) == 9
        assert steps_ahead(200, 1000) == MOST_STEPS
        assert steps_ahead(200, MEMORY_BYTES // 3) == 3
        assert steps_ahead(200, MEMORY_BYTES) == LEAST_STEPS

    def test_several_threads_share_a_client(self, client: SamplerClient) -> None:
        results: list[list[bytes]] = []
        threads = [threading.Thread(target=lambda: results.append(images(client, 8))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert results == [expected(8)] * 3


class TestOtherOperations:
    def test_batches_images_and_readiness_are_those_of_one_server(self, client: SamplerClient) -> None:
        with scripted() as server, SamplerClient(server.url) as one:
            assert client.batch([3, 1], seed=7).images.tobytes() == one.batch([3, 1], seed=7).images.tobytes()
            assert client.batch(**STREAM, step=4).images.tobytes() == one.batch(**STREAM, step=4).images.tobytes()
            assert client.images(range(5)) == one.images(range(5))
            assert client.spec() == one.spec()
        assert client.ready()

    def test_one_ready_server_is_enough(self, servers: list[ScriptedServer], client: SamplerClient) -> None:
        servers[0].close()
        servers[1].script("/readyz", problem(503, "stopping"))
        assert client.ready()

    def test_none_is_ready_if_all_are_busy_or_gone(self, servers: list[ScriptedServer], client: SamplerClient) -> None:
        servers[0].close()
        servers[1].script("/readyz", problem(503, "stopping"))
        servers[2].script("/readyz", problem(503, "starting"))
        assert not client.ready()

    def test_a_first_contact_does_not_wait_for_a_server_that_hangs(
        self, servers: list[ScriptedServer], client: SamplerClient, released: threading.Event
    ) -> None:
        for server in servers[:2]:
            server.script("/v1/spec", hanging(released))
        begun = time.monotonic()
        assert client.spec().digest == "d1"
        assert time.monotonic() - begun < 3

    def test_statistics_are_those_of_several_servers_only(self, servers: list[ScriptedServer]) -> None:
        with SamplerClient(servers[0].url) as one:
            assert one.statistics is None


class TestFailover:
    @pytest.mark.parametrize("alive", [0, 1, 2])
    def test_servers_that_refuse_connections(
        self, servers: list[ScriptedServer], client: SamplerClient, alive: int
    ) -> None:
        for number, server in enumerate(servers):
            if number != alive:
                server.close()
        got, longest = gaps(client, 30)
        assert got == expected(30)
        assert longest < 1
        dead = [of(client, server).state for number, server in enumerate(servers) if number != alive]
        assert dead.count("ejected") >= 1

    def test_damaged_bytes_are_requested_from_another_server_and_counted(self, servers: list[ScriptedServer]) -> None:
        for server in servers[:2]:
            server.script(BATCHES, *[corrupt(server)] * 2)
        with SamplerClient([server.url for server in servers], attempts=1) as client:
            batches = list(client.stream(**STREAM, stop=20))
            assert [batch.images.tobytes() for batch in batches] == expected(20)
            assert client.statistics is not None
            assert client.statistics.failures == 4

    def test_all_servers_are_asked_again_after_a_wait(self, servers: list[ScriptedServer]) -> None:
        for server in servers:
            server.script(BATCHES, problem(503, "busy"))
        with SamplerClient([server.url for server in servers], **QUICK) as client:
            assert client.batch([3]).keys[0].index == 3
        assert [len(server.asked_at(BATCHES)) for server in servers].count(1) == 2

    def test_an_invalid_request_is_refused_without_harm_to_the_servers(self, client: SamplerClient) -> None:
        for _ in range(6):
            with pytest.raises(RequestRefusedError):
                client.images([99])
        assert client.statistics is not None
        assert {row.state for row in client.statistics.servers} == {"used"}

    def test_a_sample_that_no_server_can_make_ends_the_stream_after_the_steps_before_it(
        self, servers: list[ScriptedServer], client: SamplerClient
    ) -> None:
        def without_step_5(server: ScriptedServer) -> Callable[[Asked], Answer]:
            failure = encode_error({"type": "urn:test", "title": "no image", "status": 500, "index": 4})

            def script(asked: Asked) -> Answer:
                honest = [message for batch in server.batches(asked) for message in batch]
                return Answer([honest[0], failure] if asked.params["step"] == "5" else honest)

            return script

        for server in servers:
            server.script(BATCHES, *[without_step_5(server)] * 20)
        steps: list[int | None] = []
        with pytest.raises(SampleError, match="no image") as caught:
            steps.extend(batch.step for batch in client.stream(**STREAM, stop=20))
        batches = client.stream(**STREAM, stop=5)
        assert [batch.step for batch in batches] == [0, 1, 2, 3, 4]
        assert caught.value.index == 4
        assert client.statistics is not None
        assert {row.state for row in client.statistics.servers} == {"used"}


class TestHangs:
    def test_a_server_that_hangs_from_the_start_is_found_too(
        self, servers: list[ScriptedServer], client: SamplerClient, released: threading.Event
    ) -> None:
        servers[2].script(BATCHES, *[hanging(released)] * 60)
        got, longest = gaps(client, 40)
        assert got == expected(40)
        assert longest < 2

    def test_the_connection_of_the_loser_is_closed(
        self, servers: list[ScriptedServer], client: SamplerClient, released: threading.Event
    ) -> None:
        for server in servers[:2]:
            server.script(BATCHES, hanging(released))
        assert client.batch([3]).keys[0].index == 3
        assert eventually(lambda: own_threads() == [])
        released.set()
        assert eventually(lambda: sum(server.open_connections for server in servers) <= 2)

    def test_a_body_that_hangs_is_cancelled_in_other_transports_too(
        self, servers: list[ScriptedServer], released: threading.Event
    ) -> None:
        hung = servers[1]
        hung.script(BATCHES, *[pausing(hung, released)] * 60)
        with SamplerClient([server.url for server in servers], transport=httpx.HTTPTransport(), **QUICK) as client:
            got, longest = gaps(client, 20)
        assert got == expected(20)
        assert longest < 2
        assert own_threads() == []

    def test_all_servers_hang(self, servers: list[ScriptedServer], released: threading.Event) -> None:
        for server in servers:
            server.script(BATCHES, *[hanging(released)] * 9)
        with SamplerClient([server.url for server in servers], batch_seconds=1.5) as client:
            begun = time.monotonic()
            with pytest.raises(ServerUnavailableError, match=r"gave up after batch_seconds = 1\.5"):
                client.batch([3])
            assert 1.4 < time.monotonic() - begun < 3
        assert own_threads() == []


TRAINER = f"""
import sys, client
with client.SamplerClient(sys.argv[1:], batch_seconds={LIMIT}) as sampler:
    print([batch.step for batch in sampler.stream(seed=3, batch_size=3, stop=5)])
"""


def test_a_trainer_that_is_stopped_for_longer_than_the_limit_of_a_batch_goes_on(
    servers: list[ScriptedServer], released: threading.Event
) -> None:
    def late(server: ScriptedServer) -> Callable[[Asked], Answer]:
        def script(asked: Asked) -> Answer:
            released.wait(30)
            return server.answer(asked)

        return script

    for server in servers:
        server.script(BATCHES, *[late(server)] * 9)
    trainer = start_python("-c", TRAINER, *(server.url for server in servers), coverage=False)
    assert eventually(lambda: any(server.asked_at(BATCHES) for server in servers), 30)
    trainer.send_signal(signal.SIGSTOP)
    time.sleep(1.2 * LIMIT)
    released.set()
    trainer.send_signal(signal.SIGCONT)
    assert trainer.communicate(timeout=30) == ("[0, 1, 2, 3, 4]\n", "")


class TestDigests:
    def test_a_server_with_another_digest_is_left_out_with_a_warning(
        self, servers: list[ScriptedServer], caplog: pytest.LogCaptureFixture
    ) -> None:
        with (
            scripted(digest="d2") as other,
            SamplerClient([other.url, *(server.url for server in servers)], digest="d1", **QUICK) as client,
        ):
            assert images(client, 30) == expected(30)
            assert of(client, other).state == "excluded"
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len([line for line in warnings if line.startswith(f"{other.url} is left out: ")]) == 1

    def test_a_server_that_changes_is_left_out(self, servers: list[ScriptedServer], client: SamplerClient) -> None:
        assert images(client, 10) == expected(10)
        with scripted(digest="d2", port=_closed(servers[0])) as changed:
            got, _ = gaps(client, 30)
            assert got == expected(30)
            assert of(client, changed).state == "excluded"

    def test_no_server_is_left(self, servers: list[ScriptedServer], client: SamplerClient) -> None:
        assert client.spec().digest == "d1"
        for server in servers:
            server.script(BATCHES, *[problem(412, "another digest", expected="d1", actual="d2")] * 9)
        with pytest.raises(DigestMismatchError, match="no server has the expected samples: http") as caught:
            images(client, 10)
        assert (caught.value.expected, caught.value.actual) == ("d1", "d2")

    def test_a_demanded_digest_is_looked_for(self, servers: list[ScriptedServer]) -> None:
        with scripted(digest="d2") as wanted:
            urls = [*(server.url for server in servers), wanted.url]
            with SamplerClient(urls, digest="d2", **QUICK) as client:
                assert client.spec().digest == "d2"
                assert {batch.digest for batch in client.stream(**STREAM, stop=5)} == {"d2"}

    def test_a_demanded_digest_that_no_server_has(self, servers: list[ScriptedServer]) -> None:
        with (
            SamplerClient([server.url for server in servers], digest="d9", **QUICK) as client,
            pytest.raises(DigestMismatchError, match="expected d9, as given with digest="),
        ):
            client.spec()


class TestClosing:
    def test_a_stream_that_is_left_ends_its_threads(
        self, servers: list[ScriptedServer], client: SamplerClient, released: threading.Event
    ) -> None:
        batches = client.stream(**STREAM)
        next(batches)
        for server in servers:
            server.script(BATCHES, *[hanging(released)] * 20)
        assert eventually(lambda: len(own_threads()) > 3)  # the size of a step is known, so more are requested
        batches.close()
        assert eventually(lambda: own_threads() == [])

    def test_a_dropped_stream_ends_its_threads(self, client: SamplerClient) -> None:
        batches = client.stream(**STREAM)
        next(batches)
        del batches
        assert eventually(lambda: own_threads() == [])

    def test_a_stream_of_a_closed_client_gives_no_more_batches(
        self, servers: list[ScriptedServer], client: SamplerClient
    ) -> None:
        batches = client.stream(**STREAM, stop=6)
        next(batches)
        assert eventually(lambda: sum(len(server.asked_at(BATCHES)) for server in servers) >= 6)
        assert eventually(lambda: own_threads() == [])
        client.close()
        with pytest.raises(ClientError, match="the client is closed: make a new one"):
            next(batches)

    def test_closing_the_client_ends_threads_connections_and_streams(
        self, servers: list[ScriptedServer], released: threading.Event
    ) -> None:
        client = SamplerClient([server.url for server in servers], **QUICK)
        batches = client.stream(**STREAM)
        next(batches)
        for server in servers:
            server.script(BATCHES, *[hanging(released)] * 20)
        time.sleep(0.1)
        client.close()
        assert own_threads() == []
        with pytest.raises(ClientError, match="the client is closed: make a new one"):
            list(batches)
        with pytest.raises(ClientError, match="the client is closed: make a new one"):
            client.batch([3])
        released.set()
        assert eventually(lambda: not any(server.open_connections for server in servers))

    def test_closing_ends_a_request_of_another_thread(
        self, servers: list[ScriptedServer], client: SamplerClient, released: threading.Event
    ) -> None:
        for server in servers:
            server.script(BATCHES, *[hanging(released)] * 20)
        errors: list[Exception] = []

        def ask() -> None:
            try:
                client.batch([3])
            except ClientError as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert eventually(lambda: any(server.asked_at(BATCHES) for server in servers))
        client.close()
        thread.join(3)
        assert not thread.is_alive()
        assert [str(error) for error in errors] == ["the client is closed: make a new one"]


def _closed(server: ScriptedServer) -> int:
    """Close a server and return its port."""
    server.close()
    return server.port
