"""Reading ahead: order, memory and number of requests, with objects that arrive when the test says so."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sampler.dataset.images.object_storage.objects import Admit, Fetched
from sampler.dataset.images.object_storage.read_ahead import (
    FAILED_SECONDS,
    MOST_BEHIND,
    MOST_OBJECTS,
    REQUESTS,
    ReadAhead,
)
from sampler.dataset.images.source import ImageStat
from sampler.errors import ImageError
from tests.support.clock import Clock


class Storage:
    """Objects of equal size, whose responses wait until the test releases them."""

    def __init__(self, size: int = 1000) -> None:
        self.size = size
        self.begun: list[str] = []
        self.released = asyncio.Event()
        self.missing: set[str] = set()

    async def get(self, name: str, admit: Admit) -> Fetched:
        self.begun.append(name)
        if name in self.missing:
            raise ImageError(name, "missing", "no such object")
        admit(self.size)
        await self.released.wait()
        return Fetched(name.encode(), ImageStat(self.size, name))


def accept(size: int) -> None:
    """Admit any object."""


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_objects_are_requested_in_order_and_only_so_many_at_once() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        names = [str(number) for number in range(REQUESTS + 10)]
        ahead.announce(names)
        await settle()
        assert storage.begun == names[:REQUESTS]
        storage.released.set()
        assert [(await ahead.take(name, accept)).data for name in names] == [name.encode() for name in names]
        assert sorted(storage.begun) == sorted(names)
        assert ahead.held == 0

    run(test())


def test_memory_is_bounded_and_released_by_reading() -> None:
    async def test() -> None:
        storage = Storage(size=100_000)
        ahead = ReadAhead(storage.get, most_bytes=1_000_000)
        storage.released.set()
        names = [str(number) for number in range(40)]
        ahead.announce(names)
        for name in names:
            await settle()
            assert 0 < ahead.held <= 1_000_000
            assert (await ahead.take(name, accept)).data == name.encode()
        assert ahead.held == 0
        assert len(storage.begun) <= len(names) + 5  # few were refused and requested again

    run(test())


def test_an_object_larger_than_the_memory_is_fetched_when_it_is_read() -> None:
    async def test() -> None:
        storage = Storage(size=2_000_000)
        ahead = ReadAhead(storage.get, most_bytes=1_000_000)
        storage.released.set()
        ahead.announce(["large", "larger"])
        await settle()
        assert ahead.held == 0
        assert (await ahead.take("large", accept)).data == b"large"

    run(test())


def test_an_object_announced_twice_is_fetched_once_and_read_twice() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        ahead.announce(["a", "b", "a"])
        for name in ("a", "b", "a"):
            assert (await ahead.take(name, accept)).data == name.encode()
        assert storage.begun == ["a", "b"]
        assert ahead.held == 0

    run(test())


def test_objects_that_are_never_read_make_room_for_others() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        for number in range(2 * MOST_OBJECTS):
            ahead.announce([str(number)])
            await settle()
        assert ahead.held <= (MOST_OBJECTS + 1) * storage.size
        assert (await ahead.take("0", accept)).data == b"0"

    run(test())


def test_objects_that_are_skipped_do_not_take_the_memory_of_others_for_long() -> None:
    async def test() -> None:
        storage = Storage(size=100_000)
        ahead = ReadAhead(storage.get, most_bytes=1_000_000)
        storage.released.set()
        ahead.announce(f"skipped {number}" for number in range(20))
        await settle()
        names = [str(number) for number in range(400)]
        ahead.announce(names[:10])
        before_reading = 0
        for number, name in enumerate(names[:-10]):
            await settle()
            before_reading += number >= 200 and name in storage.begun
            await ahead.take(name, accept)
            ahead.announce([names[number + 10]])
        assert before_reading == len(names[200:-10])

    run(test())


def test_objects_are_read_ahead_once_by_many_threads_with_many_announcements() -> None:
    """As a command does on a machine with many CPUs: it announces far more than is read meanwhile."""

    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        names = [str(number) for number in range(1000)]
        ahead.announce(names[:500])
        for first in range(0, 500, 50):
            ahead.announce(names[first + 500 : first + 550])
            await asyncio.gather(*(ahead.take(name, accept) for name in reversed(names[first : first + 50])))
        await settle()
        assert len(storage.begun) == len(set(storage.begun))

    run(test())


def test_an_object_that_is_announced_again_and_again_is_fetched_anew() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        ahead.announce(["a", "b"])
        for _ in range(MOST_BEHIND):
            ahead.announce(["a", "b"])
            await settle()
            await ahead.take("a", accept)
            await ahead.take("b", accept)
        assert storage.begun.count("a") > 1

    run(test())


def test_an_object_that_is_waited_for_is_not_dropped() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        ahead.announce(["wanted"])
        await settle()
        reading = asyncio.create_task(ahead.take("wanted", accept))
        await settle()
        ahead.announce(str(number) for number in range(MOST_OBJECTS + 1))
        await settle()
        storage.released.set()
        assert (await reading).data == b"wanted"
        assert storage.begun.count("wanted") == 1

    run(test())


def test_requests_that_are_dropped_before_they_begin_make_room_for_others() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        ahead.announce(str(number) for number in range(REQUESTS))
        ahead.announce(str(number) for number in range(REQUESTS, MOST_OBJECTS + REQUESTS + 1))
        while str(MOST_OBJECTS + REQUESTS) not in storage.begun:
            await asyncio.sleep(0)
        assert "0" not in storage.begun

    run(test())


def test_errors_appear_when_the_object_is_read_without_another_request() -> None:
    async def test() -> None:
        storage = Storage()
        storage.missing, ahead = {"gone"}, ReadAhead(storage.get)
        storage.released.set()
        ahead.announce(["gone", "there"])
        await settle()
        with pytest.raises(ImageError, match="no such object"):
            await ahead.stat("gone")
        with pytest.raises(ImageError, match="no such object"):
            await ahead.take("gone", accept)
        assert (await ahead.take("there", accept)).data == b"there"
        assert storage.begun == ["gone", "there"]

    run(test())


def test_what_failed_long_ago_is_fetched_again_when_it_is_read() -> None:
    async def test() -> None:
        storage, clock = Storage(), Clock()
        storage.missing, ahead = {"a"}, ReadAhead(storage.get, clock=clock)
        storage.released.set()
        ahead.announce(["a"])
        await settle()
        storage.missing = set()
        clock.now += FAILED_SECONDS
        assert await ahead.stat("a") is None
        assert (await ahead.take("a", accept)).data == b"a"

    run(test())


def test_what_failed_is_fetched_ahead_again_when_it_is_announced_again() -> None:
    async def test() -> None:
        storage = Storage()
        storage.missing, ahead = {"a", "b"}, ReadAhead(storage.get, clock=Clock())
        storage.released.set()
        ahead.announce(["a", "b"])
        await settle()
        storage.missing = set()
        ahead.announce(["a", "b"])
        await settle()
        assert storage.begun == ["a", "b", "a", "b"]
        assert [(await ahead.take(name, accept)).data for name in "ab"] == [b"a", b"b"]
        assert storage.begun == ["a", "b", "a", "b"]
        assert ahead.held == 0

    run(test())


def test_any_error_ahead_releases_the_memory_and_is_raised_only_if_it_lasts() -> None:
    async def test() -> None:
        storage = Storage()

        async def get(name: str, admit: Admit) -> Fetched:
            fetched = await storage.get(name, admit)
            if len(storage.begun) == 1:
                raise MemoryError
            return fetched

        ahead = ReadAhead(get)
        storage.released.set()
        ahead.announce(["a"])
        await settle()
        assert ahead.held == 0
        assert (await ahead.take("a", accept)).data == b"a"

    run(test())


def test_the_state_of_an_object_is_that_of_the_content_that_is_read_next() -> None:
    async def test() -> None:
        storage = Storage()
        ahead = ReadAhead(storage.get)
        storage.released.set()
        ahead.announce(["a"])
        await settle()
        stat = await ahead.stat("a")
        assert stat == (await ahead.take("a", accept)).stat
        assert await ahead.stat("a") is None

    run(test())
