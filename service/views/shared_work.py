"""Work that several requests want at the same time, and that is done once for all of them."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.types import Receive

from service.disconnect import until_disconnect

T = TypeVar("T")


@dataclass(slots=True)
class _Work(Generic[T]):
    result: "asyncio.Future[T]"
    waiting: int = 0  # requests


class SharedWork(Generic[T]):
    """Work under way, by its identity, until nobody waits for it any more."""

    def __init__(self, abandon: "Callable[[asyncio.Future[T]], bool]" = lambda result: result.cancel()) -> None:
        """abandon: Called when nobody waits for a result; returns whether the work ends, so that nobody may join it."""
        self._abandon = abandon
        self._under_way: dict[Hashable, _Work[T]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(self, identity: Hashable, begin: Callable[[], "asyncio.Future[T]"], receive: Receive) -> T:
        """Return the result of work, which is begun unless it is under way.

        Args:
            identity: Equal for work with equal results.
            begin: Begins it; what it raises is raised here.
            receive: Of the request, which is given up if its client disconnects.

        Raises:
            ClientDisconnectedError: The client has disconnected.
        """
        work = self._under_way.get(identity)
        if work is None:
            work = self._begin(identity, begin)
        work.waiting += 1
        try:
            return await until_disconnect(asyncio.shield(work.result), receive)
        finally:
            work.waiting -= 1
            if not work.waiting and self._abandon(work.result):
                self._end(identity, work)  # at once: it may take a while to end

    def _begin(self, identity: Hashable, begin: Callable[[], "asyncio.Future[T]"]) -> _Work[T]:
        work = self._under_way[identity] = _Work(begin())
        work.result.add_done_callback(lambda _: self._end(identity, work))
        return work

    def _end(self, identity: Hashable, work: _Work[T]) -> None:
        if self._under_way.get(identity) is work:
            del self._under_way[identity]
