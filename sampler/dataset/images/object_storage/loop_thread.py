"""An event loop in its own thread, for blocking code in other threads."""

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_END_SECONDS = 5.0
"""Longest time for cancelled requests to end when the loop is closed."""

_QUIET_SECONDS = 0.3
"""Time after that: obstore's threads touch a cancelled request once more, and need the interpreter for it."""


class LoopThread:
    """A running event loop. It is closed when the object is, or when the process exits.

    The thread must not outlive the interpreter: a response that arrives then would end the process with a crash.
    """

    def __init__(self) -> None:
        """Start the thread. Raises RuntimeError if the system provides none."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop,), name="object-storage", daemon=True)
        thread.start()
        self._loop = loop
        self._waited_for: set[concurrent.futures.Future[Any]] = set()
        self.close = weakref.finalize(self, _close, loop, thread)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine, or raise its error. Raises CancelledError of `concurrent.futures`."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._waited_for.add(future)
        try:
            return future.result()
        finally:
            self._waited_for.discard(future)

    def cancel(self) -> None:
        """Cancel every coroutine that another thread waits for."""
        for future in tuple(self._waited_for):
            future.cancel()

    def call(self, function: Callable[P, object], *args: P.args, **options: P.kwargs) -> None:
        """Have a function called, and return at once."""
        self._loop.call_soon_threadsafe(lambda: function(*args, **options))


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    cancelled = False
    while tasks := asyncio.all_tasks(loop):  # a fetch that ends begins the next one that was announced
        cancelled = True
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    if cancelled:
        loop.run_until_complete(asyncio.sleep(_QUIET_SECONDS))
    loop.close()


def _close(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_END_SECONDS)
