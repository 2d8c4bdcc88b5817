"""Those who watch get the latest snapshot, whatever their speed, until the server ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from service.activity.watchers import MAX_WATCHERS, Watchers
from service.errors.problems import ServiceError


async def begun(watchers: Watchers) -> AsyncIterator[bytes]:
    """Return a watcher that has received its first snapshot."""
    watching = watchers.watch(b"first")
    assert await anext(watching) == b"first"
    return watching


def test_a_watcher_gets_each_snapshot_and_the_last_one_at_the_end() -> None:
    async def scene() -> list[bytes]:
        watchers = Watchers()
        watching = await begun(watchers)
        watchers.send(b"second")
        found = [await anext(watching)]
        waiting = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        watchers.send(b"third")
        found.append(await waiting)
        watchers.send(b"last")
        watchers.close()
        found += [snapshot async for snapshot in watching]
        return found

    assert asyncio.run(scene()) == [b"second", b"third", b"last"]


def test_a_slow_watcher_misses_snapshots() -> None:
    async def scene() -> bytes:
        watchers = Watchers()
        watching = await begun(watchers)
        watchers.send(b"second")
        watchers.send(b"third")
        return await anext(watching)

    assert asyncio.run(scene()) == b"third"


def test_a_watcher_that_waits_is_released_at_the_end() -> None:
    async def scene() -> None:
        watchers = Watchers()
        watching = await begun(watchers)
        waiting = asyncio.ensure_future(anext(watching, b"none"))
        await asyncio.sleep(0)
        watchers.close()
        assert await waiting == b"none"

    asyncio.run(scene())


def test_the_number_of_watchers_is_bounded_and_those_who_left_make_room() -> None:
    watchers = Watchers()
    with ExitStack() as others:
        for _ in range(MAX_WATCHERS - 1):
            others.enter_context(watchers.place())
        for _ in range(2):
            with watchers.place(), pytest.raises(ServiceError, match="which is the limit"), watchers.place():
                pass
        assert len(watchers) == MAX_WATCHERS - 1
    assert not watchers
