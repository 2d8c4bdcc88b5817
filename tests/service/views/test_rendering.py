"""Pages are rendered one at a time, off the event loop, for nobody who has gone, and rarely while batches are sent."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message

from service.disconnect import ClientDisconnectedError
from service.errors.problems import ServiceError
from service.views.rendering import SAVED_SECONDS, SHARE, PageRendering
from tests.support.manual_pool import settle


class Client:
    """A request for a page, whose client may disconnect."""

    def __init__(self, rendering: PageRendering, make: Callable[[], str], address: str = "") -> None:
        self._gone = asyncio.Event()
        self.request = asyncio.create_task(rendering.render(make, self._receive, address))

    async def leave(self) -> None:
        self._gone.set()
        with pytest.raises(ClientDisconnectedError):
            await self.request

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}


class SlowPage:
    """A page that is rendered until a test ends it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.thread: str | None = None

    def __call__(self) -> str:
        self.thread = threading.current_thread().name
        self.begun.set()
        assert self.ended.wait(60)
        return "slow page"

    async def begins(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 60)


def page() -> str:
    return "page"


def run(scene: Callable[[PageRendering], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def inner() -> None:
        rendering = PageRendering(**options)
        try:
            await scene(rendering)
        finally:
            rendering.close()

    asyncio.run(inner())


def test_a_page_is_rendered_in_a_thread_of_pages_while_the_event_loop_goes_on() -> None:
    async def scene(rendering: PageRendering) -> None:
        slow = SlowPage()
        client = Client(rendering, slow)
        await slow.begins()
        slow.ended.set()
        assert await client.request == "slow page"
        assert slow.thread is not None
        assert slow.thread.startswith("pages")

    run(scene)


def test_pages_are_rendered_one_at_a_time_in_order() -> None:
    async def scene(rendering: PageRendering) -> None:
        first, second = SlowPage(), SlowPage()
        clients = [Client(rendering, first), Client(rendering, second)]
        await first.begins()
        await settle()
        assert not second.begun.is_set()
        first.ended.set()
        await second.begins()
        second.ended.set()
        assert [await client.request for client in clients] == ["slow page"] * 2

    run(scene)


def test_a_page_whose_client_disconnects_while_it_waits_is_not_rendered() -> None:
    async def scene(rendering: PageRendering) -> None:
        slow, unwanted = SlowPage(), SlowPage()
        first, gone, last = Client(rendering, slow), Client(rendering, unwanted), Client(rendering, page)
        await slow.begins()
        await gone.leave()
        slow.ended.set()
        assert await first.request == "slow page"
        assert await last.request == "page"
        assert not unwanted.begun.is_set()

    run(scene)


def test_after_a_client_has_gone_the_next_page_waits_until_its_page_is_rendered() -> None:
    async def scene(rendering: PageRendering) -> None:
        slow, second = SlowPage(), SlowPage()
        gone, last = Client(rendering, slow), Client(rendering, second)
        await slow.begins()
        await gone.leave()
        await settle()
        assert not second.begun.is_set()
        slow.ended.set()
        await second.begins()
        second.ended.set()
        assert await last.request == "slow page"

    run(scene)


def test_a_page_that_cannot_be_rendered_fails_for_its_client_and_the_next_one_is_rendered() -> None:
    def broken() -> str:
        raise ValueError("a broken template")

    async def scene(rendering: PageRendering) -> None:
        with pytest.raises(ValueError, match="a broken template"):
            await Client(rendering, broken).request
        assert await Client(rendering, page).request == "page"

    run(scene)


def test_pages_beyond_the_places_of_a_client_or_of_all_are_refused() -> None:
    async def scene(rendering: PageRendering) -> None:
        slow = SlowPage()
        clients = [Client(rendering, slow, "one"), Client(rendering, page, "one"), Client(rendering, page, "two")]
        await slow.begins()
        for address in ("one", "three"):
            with pytest.raises(ServiceError) as refused:
                await Client(rendering, page, address).request
            assert (refused.value.kind, refused.value.retry_after) == ("overloaded", 2)
        slow.ended.set()
        await asyncio.gather(*(client.request for client in clients))
        assert await Client(rendering, page, "one").request == "page"

    run(scene, places=3, places_of_client=2)


def test_while_batches_are_sent_pages_wait_once_their_share_is_used_up() -> None:
    sending = True

    def expensive() -> str:
        began = time.thread_time()
        while time.thread_time() - began < 1.1 * SHARE * SAVED_SECONDS:
            pass
        return "expensive page"

    async def scene(rendering: PageRendering) -> None:
        nonlocal sending
        assert await Client(rendering, expensive).request == "expensive page"
        waiting = Client(rendering, page)
        await settle()
        assert not waiting.request.done()
        sending = False
        assert await waiting.request == "page"

    run(scene, is_serving=lambda: sending, clock=lambda: 0.0)


def test_pages_from_before_batches_were_sent_do_not_count() -> None:
    sending = False

    def expensive() -> str:
        began = time.thread_time()
        while time.thread_time() - began < 1.1 * SHARE * SAVED_SECONDS:
            pass
        return "expensive page"

    async def scene(rendering: PageRendering) -> None:
        nonlocal sending
        assert await Client(rendering, expensive).request == "expensive page"
        sending = True
        assert await asyncio.wait_for(Client(rendering, page).request, 60) == "page"

    run(scene, is_serving=lambda: sending, clock=lambda: 0.0)


def test_a_page_that_fails_takes_its_time_all_the_same() -> None:
    def broken() -> str:
        began = time.thread_time()
        while time.thread_time() - began < 0.05:
            pass
        raise ValueError("a broken template")

    async def scene(rendering: PageRendering) -> None:
        with pytest.raises(ValueError, match="a broken template"):
            await Client(rendering, broken).request
        assert rendering.seconds >= 0.05

    run(scene)


def test_pages_are_counted_while_they_wait_and_their_time_once_they_are_rendered() -> None:
    async def scene(rendering: PageRendering) -> None:
        slow = SlowPage()
        clients = [Client(rendering, slow), Client(rendering, page)]
        await slow.begins()
        await settle()
        assert (rendering.waiting, rendering.seconds) == (2, 0.0)
        slow.ended.set()
        await asyncio.gather(*(client.request for client in clients))
        assert rendering.waiting == 0
        assert 0.0 < rendering.seconds < 60

    run(scene)


def test_pages_take_all_the_time_that_they_need_while_no_batch_is_sent() -> None:
    async def scene(rendering: PageRendering) -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.01:
            assert await Client(rendering, page).request == "page"

    run(scene, clock=lambda: 0.0)
