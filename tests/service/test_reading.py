"""A response is paused while its client does not read, and goes on when it does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from service.batches.admission import Admission
from service.reading import LONG_PAUSE, ReadLimits, WatchedSend
from service.shutdown import Shutdown

PAUSE = 0.1
LIMITS = ReadLimits(pause_seconds=PAUSE, min_rate=1e6)


class Client:
    """A client that reads when a test says so, and a response that notes what happens to it."""

    def __init__(self, places: int = 1) -> None:
        self.admission = Admission(places, 1, Shutdown(1.0), 5.0)
        self.events: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.events.append(f"sent {len(message['body'])}")

    def pause(self) -> None:
        self.events.append("pause")

    def release(self) -> None:
        self.events.append("release")

    def wait_for_place(self) -> None:
        self.events.append("reads again")

    def resume(self) -> None:
        self.events.append("resume")

    @asynccontextmanager
    async def response(self, *, endless: bool = True) -> AsyncIterator[WatchedSend]:
        async with (
            self.admission.admit() as place,
            WatchedSend(self.send, place, self, LIMITS, endless=endless) as watched,
        ):
            yield watched


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_a_response_gives_up_its_place_and_memory_and_takes_them_back_when_the_client_reads() -> None:
    async def scene() -> None:
        client = Client()
        async with client.response() as watched:
            assert not await watched.until_read()
            client.reads.clear()
            waiting = asyncio.create_task(watched.until_read())
            await asyncio.sleep(PAUSE * 1.5)
            assert (client.admission.in_flight, client.admission.paused) == (0, 1)
            await asyncio.sleep(PAUSE * LONG_PAUSE)
            client.reads.set()
            assert await waiting
            assert (client.admission.in_flight, client.admission.paused) == (1, 0)
        assert client.events == ["sent 0", "pause", "release", "sent 0", "reads again", "resume"]
        assert (client.admission.pauses, client.admission.resumptions) == (1, 1)

    run(scene)


def test_a_short_pause_releases_nothing() -> None:
    async def scene() -> None:
        client = Client()
        async with client.response() as watched:
            client.reads.clear()
            waiting = asyncio.create_task(watched.until_read())
            await asyncio.sleep(PAUSE * 2)
            client.reads.set()
            await waiting
        assert client.events == ["pause", "sent 0", "reads again", "resume"]

    run(scene)


def test_a_stream_is_never_cut_and_a_single_batch_is() -> None:
    async def scene() -> None:
        client = Client(2)
        client.reads.clear()
        with pytest.raises(TimeoutError):
            async with client.response(endless=False) as watched:
                await watched.until_read()
        async with client.response() as watched:
            waiting = asyncio.create_task(watched.until_read())
            await asyncio.sleep(2 * PAUSE * LONG_PAUSE)
            assert not waiting.done()
            client.reads.set()
            assert await waiting
        assert client.admission.in_flight == client.admission.paused == 0

    run(scene)


def test_a_large_piece_may_be_read_for_longer() -> None:
    async def scene() -> float:
        client = Client()
        loop = asyncio.get_running_loop()

        async def respond() -> None:
            async with client.response(endless=False) as watched:
                await watched.send_piece(bytes(500_000), more=True)
                client.reads.clear()
                await watched.until_read()

        began = loop.time()
        with pytest.raises(TimeoutError):
            await respond()
        return loop.time() - began

    assert asyncio.run(scene()) >= PAUSE * LONG_PAUSE + 0.49


def test_a_response_is_paused_sooner_if_others_wait_for_its_place() -> None:
    async def scene() -> None:
        client = Client()
        async with client.response() as watched:
            client.reads.clear()
            waiting = asyncio.create_task(watched.until_read())
            began = asyncio.get_running_loop().time()
            async with client.admission.admit():
                assert asyncio.get_running_loop().time() - began < 0.9 * PAUSE
                client.reads.set()
                await asyncio.sleep(0.01)
                assert not waiting.done()  # it has no place yet
            assert await waiting

    run(scene)


def test_a_client_that_disconnects_in_a_pause_frees_everything() -> None:
    async def scene() -> None:
        client = Client()

        async def respond() -> None:
            async with client.response() as watched:
                client.reads.clear()
                await watched.until_read()

        task = asyncio.create_task(respond())
        await asyncio.sleep(PAUSE * 1.5)
        task.cancel()
        await asyncio.wait([task])
        assert client.admission.in_flight == client.admission.paused == 0

    run(scene)
