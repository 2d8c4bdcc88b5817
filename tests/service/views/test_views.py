"""Equal views are made once, nothing is made for nobody, and pages have places of their own."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, cast

import pytest
from starlette.types import Message

from sampler.stream.keys import SampleKey
from service.disconnect import ClientDisconnectedError
from service.errors.problems import JobError, ServiceError, problem
from service.shutdown import Shutdown
from service.views.views import Views
from service.workers.pool import WorkerPool
from service.workers.protocol import ViewJob
from tests.support.manual_pool import settle


class ViewPool:
    """A pool whose views a test makes."""

    def __init__(self) -> None:
        self.jobs: list[ViewJob] = []
        self.owners: list[Hashable] = []
        self.begun = False
        self.replies: list[asyncio.Future[bytes]] = []

    def submit(self, job: ViewJob, owner: Hashable) -> "asyncio.Future[bytes]":
        self.jobs.append(job)
        self.owners.append(owner)
        self.replies.append(asyncio.get_running_loop().create_future())
        return self.replies[-1]

    def abandon(self, reply: "asyncio.Future[bytes]") -> bool:
        return not self.begun and reply.cancel()


class Client:
    """A request for a view, whose client may disconnect."""

    def __init__(self, views: Views, job: ViewJob, address: str = "") -> None:
        self._gone = asyncio.Event()
        self.request = asyncio.create_task(views.get(job, self._receive, address))

    async def leave(self) -> None:
        self._gone.set()
        with pytest.raises(ClientDisconnectedError):
            await self.request
        await settle()

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}


def job(index: int, **options: Any) -> ViewJob:
    return ViewJob("thumbnail", 0, (SampleKey(7, 0, index),), True, options)


def run(
    scene: Callable[[Views, ViewPool, Shutdown], Coroutine[Any, Any, None]],
    capacity: int = 1000,
    places: int = 3,
    places_of_client: int = 2,
) -> None:
    async def inner() -> None:
        pool, shutdown = ViewPool(), Shutdown(1.0)
        await scene(Views(cast(WorkerPool, pool), shutdown, capacity, places, places_of_client), pool, shutdown)

    asyncio.run(inner())


def test_a_view_is_made_once_for_all_that_want_it_at_the_same_time_and_later() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        clients = [Client(views, job(1, a=1, b=[2])), Client(views, job(1, b=[2], a=1))]
        await settle()
        pool.replies[0].set_result(b"picture")
        assert [await client.request for client in clients] == [b"picture"] * 2
        assert await Client(views, job(1, a=1, b=[2])).request == b"picture"
        assert len(pool.jobs) == 1
        assert views.waiting == 0

    run(scene)


def test_jobs_that_differ_in_anything_are_different_views() -> None:
    key = SampleKey(7, 0, 1)
    jobs = [
        ViewJob("thumbnail", 0, (key,)), ViewJob("picture", 0, (key,)), ViewJob("thumbnail", 1, (key,)),
        ViewJob("thumbnail", 0, (key, key)), ViewJob("thumbnail", 0, (key,), False), job(1, side=3),
    ]  # fmt: skip
    assert len({one.identity for one in jobs}) == len(jobs)


def test_a_view_is_made_while_anyone_waits_for_it_and_no_longer() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        first, second = Client(views, job(1)), Client(views, job(1))
        await settle()
        await first.leave()
        assert not pool.replies[0].cancelled()
        await second.leave()
        assert pool.replies[0].cancelled()
        third = Client(views, job(1))
        await settle()
        pool.replies[1].set_result(b"again")
        assert await third.request == b"again"

    run(scene)


def test_a_view_that_a_worker_has_begun_is_kept_although_everyone_has_left() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        client = Client(views, job(1))
        await settle()
        pool.begun = True
        await client.leave()
        second = Client(views, job(1))  # joins what is being made
        await settle()
        await second.leave()
        pool.replies[0].set_result(b"picture")
        await settle()
        assert await Client(views, job(1)).request == b"picture"
        assert len(pool.jobs) == 1

    run(scene)


def test_a_failure_that_nobody_waits_for_frees_its_place() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        client = Client(views, job(1))
        await settle()
        pool.begun = True
        await client.leave()
        pool.replies[0].set_exception(JobError(problem("image", "1.jpg: missing")))
        await settle()
        assert views.waiting == 0

    run(scene)


def test_one_client_leaves_places_to_others_and_takes_turns_with_them() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        clients = [Client(views, job(index), "greedy") for index in range(2)]
        await settle()
        with pytest.raises(ServiceError, match="2 views of this client wait") as refusal:
            await Client(views, job(2), "greedy").request
        assert (refusal.value.kind, refusal.value.retry_after is not None) == ("overloaded", True)
        clients += [Client(views, job(1), "greedy"), Client(views, job(3), "modest")]
        await settle()
        assert pool.owners == [("greedy", "thumbnail"), ("greedy", "thumbnail"), ("modest", "thumbnail")]
        for reply in pool.replies:
            reply.set_result(b"picture")
        assert [await client.request for client in clients] == [b"picture"] * 4

    run(scene)


def test_a_failure_is_reported_to_all_and_not_cached() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        clients = [Client(views, job(1)) for _ in range(2)]
        await settle()
        pool.replies[0].set_exception(JobError(problem("image", "1.jpg: missing")))
        for client in clients:
            with pytest.raises(ServiceError, match="missing"):
                await client.request
        late = Client(views, job(1))
        await settle()
        pool.replies[1].set_result(b"restored")
        assert await late.request == b"restored"

    run(scene)


def test_only_so_many_views_wait_at_once() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        clients = [Client(views, job(index)) for index in range(3)]
        await settle()
        with pytest.raises(ServiceError, match="3 views wait") as refusal:
            await Client(views, job(3)).request
        assert (refusal.value.kind, refusal.value.retry_after is not None) == ("overloaded", True)
        joining = Client(views, job(2))  # takes no other place
        await settle()
        for reply in pool.replies:
            reply.set_result(b"picture")
        assert [await client.request for client in [*clients, joining]] == [b"picture"] * 4

    run(scene)


def test_a_server_that_shuts_down_begins_no_view_and_still_shows_cached_ones() -> None:
    async def scene(views: Views, pool: ViewPool, shutdown: Shutdown) -> None:
        client = Client(views, job(1))
        await settle()
        pool.replies[0].set_result(b"picture")
        await client.request
        shutdown.begun = True
        assert await Client(views, job(1)).request == b"picture"
        with pytest.raises(ServiceError, match="shutting down"):
            await Client(views, job(2)).request

    run(scene)
