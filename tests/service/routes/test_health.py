"""`/readyz`: what it says first."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors.problems import ServiceError
from service.routes.health import ready


def refuse() -> None:
    raise ServiceError("overloaded", "full")


@pytest.mark.parametrize(("alive", "kind"), [(0, "not-ready"), (1, "overloaded")])
def test_a_server_without_workers_is_not_ready_rather_than_full(alive: int, kind: str) -> None:
    serving: Any = SimpleNamespace(
        pool=SimpleNamespace(alive=alive, size=2), admission=SimpleNamespace(refuse_unless_ready=refuse)
    )
    with pytest.raises(ServiceError) as caught:
        asyncio.run(ready(serving))
    assert caught.value.kind == kind
