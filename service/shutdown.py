"""Graceful shutdown: requests in flight get a grace time, then the process exits whatever clients do.

The server runs under uvicorn, which on SIGTERM or Ctrl-C stops accepting connections and then waits for responses to
end. An endless stream never ends, so the server has to learn of the signal: its handlers run before uvicorn's.

During startup nothing is in flight, and a signal ends the process at once. The next start removes unfinished files,
and workers exit when their sockets are closed.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

log = logging.getLogger("saccade_sampler.shutdown")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LAST_SECONDS = 1.0
"""Time after the grace time for cut responses to close, before the process kills itself."""

STDERR = 2
SHOW_CURSOR = b"\x1b[?25h"

Handler = Callable[[int, FrameType | None], object]


class Shutdown:
    """Whether the server is shutting down, and the responses to cut when the grace time is over."""

    def __init__(self, grace_seconds: float) -> None:
        """grace_seconds: time for requests in flight to end."""
        self._grace = grace_seconds
        self._loop = asyncio.get_running_loop()
        self._responses: set[asyncio.Task[Any]] = set()
        self._previous: dict[int, Handler] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._started = False
        self.begun = False

    def install(self) -> None:
        """Install signal handlers that run before the present ones. Outside the main thread, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            previous = signal.getsignal(number)
            if callable(previous):
                self._previous[number] = previous
                signal.signal(number, self._on_signal)

    def startup_complete(self) -> None:
        """From now on a signal begins a graceful shutdown, and only a second Ctrl-C ends the process at once."""
        self._started = True

    def uninstall(self) -> None:
        """Restore the previous signal handlers."""
        for timer in self._timers:
            timer.cancel()
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()

    def watch(self, response: "asyncio.Task[Any]") -> None:
        """Cancel this task when the grace time is over."""
        self._responses.add(response)
        response.add_done_callback(self._responses.discard)

    def begin(self) -> None:
        """End streams after their current batch, and cut all responses after the grace time."""
        if self.begun:
            return
        self.begun = True
        if self._responses:
            log.info("shutting down; responses in flight: %d, seconds for them: %g", len(self._responses), self._grace)
        self._timers = [
            self._loop.call_later(self._grace, self._cut),
            self._loop.call_later(self._grace + LAST_SECONDS, _exit_despite_clients),
        ]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._started or (self.begun and number == signal.SIGINT):
            _exit(number)
        self._loop.call_soon_threadsafe(self.begin)
        self._previous[number](number, frame)

    def _cut(self) -> None:
        if self._responses:
            log.warning("grace time is over; responses cut: %d", len(self._responses))
        for response in list(self._responses):
            response.cancel()


def _exit_despite_clients() -> None:
    """Exit although a client neither reads nor closes its connection, which therefore cannot be closed cleanly."""
    log.warning("clients keep their connections open: exiting anyway")
    _exit(signal.SIGTERM)


def _exit(number: int) -> None:
    """End the process at once, by the signal. Workers exit when their sockets are closed."""
    if os.isatty(STDERR):
        os.write(STDERR, SHOW_CURSOR)  # a progress bar may have hidden it
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # process 1 of a container is not ended by its own signal
