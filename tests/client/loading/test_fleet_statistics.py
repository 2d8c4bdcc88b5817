"""What a loader reports of several servers."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

import pytest

from client.fleet.statistics import FleetStatistics, ServerStatistics
from client.loading.trainer.statistics import StatisticsRecorder
from tests.support.loading import load, process_of, steps
from tests.support.scripted_server import ScriptedServer, scripted


@pytest.fixture
def servers() -> Iterator[list[ScriptedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(scripted()) for _ in range(3)]


def urls(servers: list[ScriptedServer]) -> list[str]:
    return [server.url for server in servers]


def fleet(failures: int = 0, state: str = "used") -> FleetStatistics:
    """Counts of two servers, of which the second has failed."""
    rows = (
        ServerStatistics("http://a", "used", 0, 10, 0, 0, 0, 0, 0.1),
        ServerStatistics("http://b", state, 1, 5, failures, failures // 5, 1, 1, None),
    )
    return FleetStatistics(15, failures, failures // 5, 1, 1, 0, rows)


def test_a_loader_has_the_counts_of_each_server(
    servers: list[ScriptedServer], caplog: pytest.LogCaptureFixture
) -> None:
    servers[1].close()
    with caplog.at_level(logging.INFO, "saccade_client"), load(urls(servers), stop=30, log_every=60.0) as loaded:
        assert steps(loaded) == list(range(30))
        counted = loaded.statistics.fleet
    assert counted is not None
    assert counted.requests >= 30
    rows = {row.url: row for row in counted.servers}
    assert set(rows) == set(urls(servers))
    assert 1 <= rows[servers[1].url].failures <= counted.failures
    assert sum(row.requests for row in counted.servers) == counted.requests + counted.hedges
    line = next(record.message for record in caplog.records if "starved" in record.message)
    assert f"of 3 in use, failures {counted.failures}, hedges {counted.hedges}, ejections" in line


def test_a_loader_of_one_server_has_none(servers: list[ScriptedServer]) -> None:
    with load(servers[0].url, stop=2) as loaded:
        assert steps(loaded) == [0, 1]
        assert loaded.statistics.fleet is None


def test_the_counts_go_on_after_a_restart(servers: list[ScriptedServer]) -> None:
    with load(urls(servers), stop=12) as loaded:
        assert steps(islice(loaded, 4)) == [0, 1, 2, 3]
        before = loaded.statistics.fleet
        process_of(loaded).kill()
        assert steps(loaded) == list(range(4, 12))
        after = loaded.statistics.fleet
    assert before is not None
    assert after is not None
    assert loaded.statistics.restarts == 1
    assert after.requests >= before.requests + 6
    for earlier, later in zip(before.servers, after.servers, strict=True):
        assert later.requests >= earlier.requests


def test_the_log_says_what_happened_to_servers_since_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    recorder = StatisticsRecorder(log_every=1000.0)
    with caplog.at_level(logging.INFO, "saccade_client"):
        for counted in (fleet(), fleet(failures=7, state="ejected"), fleet(failures=7, state="ejected"), None):
            recorder.ask()
            recorder.give(samples=1, size=1)
            if counted is not None:
                recorder.count_servers(counted)
            recorder.log()
    said = [record.message.partition(" batch)")[2] for record in caplog.records]
    assert said == [
        "; servers: 2 of 2 in use, failures 0, hedges 1, ejections 0",
        "; servers: 1 of 2 in use, failures 7, hedges 0, ejections 1",
        "; servers: 1 of 2 in use, failures 0, hedges 0, ejections 0",
        "; servers: 1 of 2 in use, failures 0, hedges 0, ejections 0",
    ]


def test_counts_of_a_later_client_are_added_to_those_of_an_earlier_one() -> None:
    both = fleet(failures=5).after(fleet(failures=6))
    assert (both.requests, both.failures, both.ejections, both.hedges) == (30, 11, 2, 2)
    assert [(row.requests, row.failures, row.in_flight, row.seconds) for row in both.servers] == [
        (20, 0, 0, 0.1), (10, 11, 1, None)
    ]  # fmt: skip
    assert fleet().after(None) == fleet()
