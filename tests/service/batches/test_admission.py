"""Admission bounds the requests in flight."""

import asyncio

import pytest

from service.batches.admission import Admission
from service.errors.problems import ServiceError
from service.shutdown import Shutdown


def test_requests_past_the_limit_are_refused_until_one_ends() -> None:
    async def scene() -> None:
        admission = Admission(2, 3, Shutdown(1.0))
        with admission.admit():
            with admission.admit():
                with pytest.raises(ServiceError, match="2 requests are in flight") as caught, admission.admit():
                    pass
                assert (caught.value.kind, caught.value.retry_after) == ("overloaded", 3)
            with admission.admit():
                assert admission.in_flight == 2
        assert admission.in_flight == 0

    asyncio.run(scene())


def test_a_server_that_shuts_down_admits_nobody() -> None:
    async def scene() -> None:
        shutdown = Shutdown(60.0)
        shutdown.begin()
        with pytest.raises(ServiceError) as caught, Admission(2, 3, shutdown).admit():
            pass
        assert (caught.value.kind, caught.value.retry_after) == ("shutting-down", 3)
        shutdown.uninstall()

    asyncio.run(scene())
