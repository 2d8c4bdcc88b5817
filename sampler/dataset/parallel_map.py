"""Mapping a function over many items in threads, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, window: int
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order. Errors are raised in place of the item's result.

    Unlike with `ThreadPoolExecutor.map`, items are consumed as results are taken: at most `window` are started, waiting
    or finished. Closing the generator starts no further item and waits for those that were started.
    """
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            pending.extend(pool.submit(function, item) for item in islice(rest, window))
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(rest, 1))
        finally:
            pool.shutdown(cancel_futures=True)
