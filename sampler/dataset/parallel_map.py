"""Work on many items in several threads, its results in the order of the items and few of them waiting."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, under_way: int
) -> Generator[Result, None, None]:
    """Yield `work` of each item, in turn. Raises what it raises, in the place of the item.

    threads: how many work at once. under_way: items that are begun or wait to be, or whose results wait to be taken, at
    most: that bounds memory, as `ThreadPoolExecutor.map` does not. When this is closed, no work is begun any more, and
    what was begun has ended.
    """
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        window: deque[Future[Result]] = deque()
        try:
            window.extend(pool.submit(work, item) for item in islice(rest, under_way))
            while window:
                yield window.popleft().result()
                window.extend(pool.submit(work, item) for item in islice(rest, 1))
        finally:
            pool.shutdown(cancel_futures=True)
