"""Mapping a function over many items in threads, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CANCEL_SECONDS = 0.1
"""Interval at which calls that have begun are cancelled until they end."""


def parallel_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    window: int,
    cancel: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order. Errors are raised in place of the item's result.

    Unlike with `ThreadPoolExecutor.map`, items are consumed as results are taken: at most `window` are started, waiting
    or finished. Closing the generator, or an error, starts no further item and waits for those that were started.

    cancel: Ends the calls of `function` that have begun, if nobody takes their results.
    """
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            pending.extend(pool.submit(function, item) for item in islice(rest, window))
            while pending:
                yield pending[0].result()
                pending.popleft()
                pending.extend(pool.submit(function, item) for item in islice(rest, 1))
        except BaseException:  # also of the caller: KeyboardInterrupt, GeneratorExit
            begun = [future for future in pending if not future.cancel()]
            cancel()
            while wait(begun, _CANCEL_SECONDS).not_done:  # some may have begun to wait since then
                cancel()
            raise
