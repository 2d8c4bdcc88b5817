"""Ending in good order: what is in flight gets a grace time, then the process ends, whatever clients do.

The server runs under uvicorn, which on SIGTERM or Ctrl-C stops accepting and then waits for responses to end. An
endless stream never would, so it has to learn of the signal: the handlers here are put in front of uvicorn's.

While the server starts, nothing is in flight: a signal ends the process at once. What is half made on disk then is
removed by the next start, and workers end by themselves when their sockets do.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

log = logging.getLogger("saccade_sampler.shutdown")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LAST_SECONDS = 1.0
"""Time after the grace for cut responses to leave, before the process ends itself."""

STDERR = 2
SHOW_CURSOR = b"\x1b[?25h"

Handler = Callable[[int, FrameType | None], object]


class Shutdown:
    """Whether the server is to end, and what has to be cut when the grace time is over."""

    def __init__(self, grace_seconds: float) -> None:
        """Leave `grace_seconds` to what is in flight."""
        self._grace = grace_seconds
        self._loop = asyncio.get_running_loop()
        self._bodies: set[asyncio.Task[None]] = set()
        self._before: dict[int, Handler] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._serving = False
        self.begun = False

    def listen(self) -> None:
        """Put this in front of the signal handlers there are. Elsewhere than in the main thread: do nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            before = signal.getsignal(number)
            if callable(before):
                self._before[number] = before
                signal.signal(number, self._on_signal)

    def serving(self) -> None:
        """From now on requests may be in flight: a signal no longer ends the process at once, but a second Ctrl-C."""
        self._serving = True

    def forget(self) -> None:
        """Put the handlers back that were there before."""
        for timer in self._timers:
            timer.cancel()
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def watch(self, body: "asyncio.Task[None]") -> None:
        """Cut this response body when the grace time is over."""
        self._bodies.add(body)
        body.add_done_callback(self._bodies.discard)

    def begin(self) -> None:
        """Let streams end at their next batch, and cut what is left after the grace time."""
        if self.begun:
            return
        self.begun = True
        if self._bodies:
            log.info("shutting down: %d responses in flight have %g s", len(self._bodies), self._grace)
        self._timers = [
            self._loop.call_later(self._grace, self._cut),
            self._loop.call_later(self._grace + LAST_SECONDS, _end_without_clients),
        ]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._serving or (self.begun and number == signal.SIGINT):
            _end_process(number)
        self._loop.call_soon_threadsafe(self.begin)
        self._before[number](number, frame)

    def _cut(self) -> None:
        if self._bodies:
            log.warning("grace time is over: cutting %d responses", len(self._bodies))
        for body in list(self._bodies):
            body.cancel()


def _end_without_clients() -> None:
    """A client neither reads nor hangs up, so its connection cannot be closed in good order."""
    log.warning("clients hold their connections open: ending without them")
    _end_process(signal.SIGTERM)


def _end_process(number: int) -> None:
    """End at once, by the signal. Workers end by themselves when their sockets do."""
    if os.isatty(STDERR):
        os.write(STDERR, SHOW_CURSOR)  # a progress bar may have hidden it
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container is not ended by a signal of its own
