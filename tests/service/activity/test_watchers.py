"""Those who watch get the latest snapshot, whatever their speed, until the server ends."""

import asyncio
from collections.abc import AsyncIterator

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
        assert not watchers
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
    async def scene() -> None:
        watchers = Watchers()
        watching = [await begun(watchers) for _ in range(MAX_WATCHERS)]
        with pytest.raises(ServiceError, match="which is the limit"):
            watchers.check_room()
        await watching[0].aclose()  # type: ignore[attr-defined] # it is a generator
        watchers.check_room()
        for one in watching[1:]:
            await one.aclose()  # type: ignore[attr-defined] # likewise
        assert not watchers

    asyncio.run(scene())
