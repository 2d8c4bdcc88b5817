"""A queue in which many wait fairly: one lane for each who asks, served in turn."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Items of several lanes. Each lane keeps its order; lanes take turns, however long one of them is."""

    def __init__(self) -> None:
        """Start empty."""
        self._lanes: dict[Hashable, deque[T]] = {}
        self._first: deque[T] = deque()

    def put(self, lane: Hashable, item: T) -> None:
        """Append an item to a lane."""
        self._lanes.setdefault(lane, deque()).append(item)

    def put_first(self, item: T) -> None:
        """Put an item in front of all lanes."""
        self._first.appendleft(item)

    def take(self) -> T:
        """Return the next item of the lane whose turn it is. Raises IndexError when nothing waits."""
        if self._first:
            return self._first.popleft()
        for lane, items in self._lanes.items():
            del self._lanes[lane]  # a lane that was served goes behind the others
            item = items.popleft()
            if items:
                self._lanes[lane] = items
            return item
        raise IndexError("nothing waits")

    def clear(self) -> None:
        """Forget all items."""
        self._first.clear()
        self._lanes.clear()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._first or self._lanes)

    def __iter__(self) -> Iterator[T]:
        """All that waits, in no particular order."""
        yield from self._first
        for items in self._lanes.values():
            yield from items
