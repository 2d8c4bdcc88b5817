"""Whether the loader's process responds while the trainer waits for it.

It may be stopped, deadlocked or swapped out. It then neither exits nor sends anything, and only a time limit tells. If
nothing has arrived for a while, the trainer asks the process for a sign of life, which a separate thread gives even
while a slow server makes the process wait.
"""

import time
from collections.abc import Callable

from sampler.ipc import frames

RESPONSE_SECONDS = 10.0
"""Silence after which the process is replaced."""

START_SECONDS = 120.0
"""The same until its first message: it imports its libraries, perhaps from a slow disk."""


class Liveness:
    """Measures how long a process has been silent, as far as this process was running itself.

    Ctrl-Z stops both, and a debugger may stop this one. When it continues, the other gets the whole time again.
    """

    def __init__(self, ping: Callable[[], None]) -> None:
        """ping: asks the process for a message. It must not wait for long."""
        self.lost = False
        self.limit = START_SECONDS
        self._ping = ping
        self._pinged = False
        self.begin()

    def begin(self) -> None:
        """The trainer begins to wait."""
        self._silent = 0.0
        self._checked = time.monotonic()

    def heard(self) -> None:
        """A message has arrived."""
        self.limit = RESPONSE_SECONDS
        self._pinged = False
        self.begin()

    def check(self) -> bool:
        """Return whether to go on waiting. Called every `CHECK_SECONDS` while nothing arrives."""
        now = time.monotonic()
        elapsed, self._checked = now - self._checked, now
        stopped_here = elapsed > 2 * frames.CHECK_SECONDS
        self._silent = 0.0 if stopped_here else self._silent + elapsed
        if not self._pinged:
            self._pinged = True
            self._ping()
        self.lost = self.lost or self._silent >= self.limit
        return not self.lost

    def give_up(self) -> None:
        """The process takes no message any more."""
        self.lost = True
