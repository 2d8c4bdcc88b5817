"""The queue that shares the workers among requests."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of several owners, served in turn however many items one of them has."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[T]] = {}
        self._first: deque[T] = deque()

    def put(self, owner: Hashable, item: T) -> None:
        self._queues.setdefault(owner, deque()).append(item)

    def put_first(self, item: T) -> None:
        self._first.appendleft(item)

    def take(self) -> T:
        """Return the next item of the owner whose turn it is. Raises IndexError if the queue is empty."""
        if self._first:
            return self._first.popleft()
        for owner, items in self._queues.items():
            del self._queues[owner]  # an owner that was served goes behind the others
            item = items.popleft()
            if items:
                self._queues[owner] = items
            return item
        raise IndexError("the queue is empty")

    def __bool__(self) -> bool:
        return bool(self._first or self._queues)

    def __iter__(self) -> Iterator[T]:
        """Iterate over all items, in no particular order."""
        yield from self._first
        for items in self._queues.values():
            yield from items
