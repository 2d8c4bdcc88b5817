"""Admission bounds the requests in flight."""

import asyncio

import pytest

from service.batches.admission import Admission
from service.errors.problems import ServiceError
from service.shutdown import Shutdown


async def admitted(admission: Admission) -> None:
    """A request that is served at once."""
    async with admission.admit():
        pass


def test_requests_past_the_limit_are_refused_until_one_ends() -> None:
    async def scene() -> None:
        admission = Admission(2, 3, Shutdown(1.0))
        async with admission.admit():
            async with admission.admit():
                with pytest.raises(ServiceError, match="2 requests are in flight") as caught:
                    await admitted(admission)
                assert (caught.value.kind, caught.value.retry_after) == ("overloaded", 3)
            async with admission.admit():
                assert admission.in_flight == 2
        assert (admission.in_flight, admission.refusals) == (0, 1)

    asyncio.run(scene())


def test_a_server_that_shuts_down_admits_nobody() -> None:
    async def scene() -> None:
        shutdown = Shutdown(60.0)
        shutdown.begin()
        with pytest.raises(ServiceError) as caught:
            await admitted(Admission(2, 3, shutdown))
        assert (caught.value.kind, caught.value.retry_after) == ("shutting-down", 3)
        shutdown.uninstall()

    asyncio.run(scene())


def test_a_request_waits_for_its_turn() -> None:
    async def scene() -> None:
        admission = Admission(1, 3, Shutdown(1.0), 5.0)
        order: list[str] = []

        async def arrive(name: str) -> None:
            async with admission.admit():
                order.append(name)

        async with admission.admit() as place:
            tasks = [asyncio.create_task(arrive("first"))]
            await asyncio.sleep(0)
            with pytest.raises(ServiceError, match="1 request is in flight"):
                await admitted(admission)  # no more wait than are served
            place.give_up()
            await place.take_back()
            order.append("back")
        await asyncio.gather(*tasks)
        assert order == ["first", "back"]
        assert admission.in_flight == 0

    asyncio.run(scene())


def test_responses_whose_clients_read_again_and_new_requests_take_turns() -> None:
    async def scene() -> None:
        admission = Admission(2, 3, Shutdown(1.0), 5.0)
        order: list[str] = []
        begun = asyncio.Event()

        async def resumed() -> None:
            async with admission.admit() as place:
                place.give_up()
                await begun.wait()
                await place.take_back()
                order.append("resumed")

        async def new() -> None:
            async with admission.admit():
                order.append("new")

        tasks = [asyncio.create_task(resumed()) for _ in range(2)]
        await asyncio.sleep(0)
        async with admission.admit(), admission.admit():
            tasks.extend(asyncio.create_task(new()) for _ in range(2))
            await asyncio.sleep(0)
            begun.set()
            await asyncio.sleep(0.01)
            assert admission.wanted
        await asyncio.gather(*tasks)
        assert order == ["resumed", "new", "resumed", "new"]
        assert admission.in_flight == admission.paused == 0

    asyncio.run(scene())


def test_a_request_that_waits_too_long_or_disconnects_takes_no_place() -> None:
    async def scene() -> None:
        admission = Admission(1, 3, Shutdown(1.0), 0.05)
        async with admission.admit():
            with pytest.raises(ServiceError):
                await admitted(admission)
            assert admission.refusals == 1
            waiting = asyncio.create_task(admitted(admission))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert not admission.wanted
            late = asyncio.create_task(admitted(admission))
            await asyncio.sleep(0)
        late.cancel()  # at the moment at which it is its turn
        await asyncio.wait([late])
        assert admission.in_flight == 0
        await admitted(admission)

    asyncio.run(scene())


def test_the_server_is_not_ready_once_requests_are_refused_for_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr("service.batches.admission.SHORTEST_REFUSAL", 0.05)
        admission = Admission(1, 3, Shutdown(1.0), 0.0)
        admission.refuse_unless_ready()
        async with admission.admit():
            admission.refuse_unless_ready()  # it has only just become full
            await asyncio.sleep(0.1)
            with pytest.raises(ServiceError, match="1 request is in flight"):
                admission.refuse_unless_ready()
        admission.refuse_unless_ready()
        assert admission.refusals == 0  # a probe is no request that found no place

    asyncio.run(scene())
