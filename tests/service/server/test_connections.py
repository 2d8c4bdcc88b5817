"""The table of connections: who is closed when, and for whom."""

import asyncio
from dataclasses import dataclass, field, replace

from service.metrics import Metrics
from service.server.connections import MOST_LINGERING, ConnectionLimits, Connections

LIMITS = ConnectionLimits(most=3, head_seconds=0.2, idle_seconds=60, stall_seconds=600, retry_after=1)


@dataclass(eq=False)
class Fake:
    """A connection that notes what is done with it."""

    flushed: bool = True
    done: list[str] = field(default_factory=list)

    def is_flushed(self) -> bool:
        return self.flushed

    def evict(self) -> None:
        self.done.append("evicted")

    def head_is_late(self) -> None:
        self.done.append("late")

    def cut(self) -> None:
        self.done.append("cut")


def closed(metrics: Metrics, limit: str) -> float:
    return metrics.connections_closed.values.get((limit,), 0)


async def full_table(metrics: Metrics) -> tuple[Connections, list[Fake]]:
    table, connections = Connections(LIMITS, metrics), [Fake() for _ in range(LIMITS.most)]
    for connection in connections:
        assert table.add(connection)
    return table, connections


def test_the_longest_idle_connection_makes_room_for_a_new_one() -> None:
    async def scene() -> None:
        metrics = Metrics()
        table, (working, early, late) = await full_table(metrics)
        table.work(working)
        for connection in (early, late):
            table.work(connection)
            table.rest(connection)
        assert table.add(Fake())
        assert (working.done, early.done, late.done) == ([], ["evicted"], [])
        assert closed(metrics, "evicted") == 1
        assert metrics.open_connections is not None
        assert metrics.open_connections() == 3

    asyncio.run(scene())


def test_a_connection_without_a_request_makes_room_too() -> None:
    async def scene() -> None:
        table, (silent, *others) = await full_table(Metrics())
        for connection in others:
            table.work(connection)
        assert table.add(Fake())
        assert silent.done == ["evicted"]

    asyncio.run(scene())


def test_there_is_no_room_while_all_connections_work() -> None:
    async def scene() -> None:
        table, connections = await full_table(Metrics())
        for connection in connections:
            table.work(connection)
        new = Fake()
        assert not table.add(new)
        table.remove(connections[0])
        assert table.add(new)
        assert all(connection.done == [] for connection in connections)

    asyncio.run(scene())


def test_a_client_that_still_reads_its_response_is_not_idle() -> None:
    async def scene() -> None:
        table, connections = await full_table(Metrics())
        for connection in connections:
            table.work(connection)
            connection.flushed = False
            table.rest(connection)
        assert not table.add(Fake())
        connections[1].flushed = True
        assert table.add(Fake())
        assert [connection.done for connection in connections] == [[], ["evicted"], []]

    asyncio.run(scene())


def test_a_head_has_a_time_limit_and_a_request_has_none() -> None:
    async def scene() -> None:
        table, (slow, working, gone) = await full_table(Metrics())
        table.work(working)
        table.remove(gone)
        await asyncio.sleep(3 * LIMITS.head_seconds)
        assert (slow.done, working.done, gone.done) == (["late"], [], [])
        table.await_head(working)
        await asyncio.sleep(3 * LIMITS.head_seconds)
        assert working.done == ["late"]

    asyncio.run(scene())


def test_refused_connections_stay_for_a_moment_but_never_many() -> None:
    async def scene() -> None:
        table = Connections(replace(LIMITS, most=1), Metrics())
        refused = [Fake() for _ in range(MOST_LINGERING + 1)]
        for connection in refused[:-1]:
            table.linger(connection)
        assert all(connection.done == [] for connection in refused)
        table.linger(refused[-1])
        table.linger(Fake())
        assert [connection.done for connection in refused[:3]] == [["cut"], ["cut"], []]

    asyncio.run(scene())
