"""How long a trainer waited for data, and how long it computed."""

import logging
import time
from dataclasses import dataclass

log = logging.getLogger("saccade_client")

WORTH_A_WARNING = 0.1
"""Share of the time spent waiting from which on the line of log is a warning."""


@dataclass(frozen=True, slots=True)
class LoaderStatistics:
    """What a loader did so far.

    batches, samples, bytes: handed out; bytes of arrays, as the process made them. waited: seconds that the trainer
    waited for a batch, the first one included. busy: seconds between a batch and the question for the next. copies:
    batches that were copied, since the trainer kept too many. restarts: how often the loader's process died and was
    replaced.
    """

    batches: int = 0
    samples: int = 0
    bytes: int = 0
    waited: float = 0.0
    busy: float = 0.0
    copies: int = 0
    restarts: int = 0

    @property
    def starved(self) -> float:
        """The share of the time spent waiting, 0–1."""
        whole = self.waited + self.busy
        return self.waited / whole if whole > 0 else 0.0


@dataclass(slots=True)
class WaitingClock:
    """Tells waiting from computing, and says it in the log every so often.

    log_every: seconds between two lines; None for none.
    """

    log_every: float | None
    batches: int = 0
    waited: float = 0.0
    busy: float = 0.0
    _asked: float | None = None
    _given: float | None = None
    _told: tuple[int, float, float] = (0, 0.0, 0.0)

    def ask(self) -> None:
        """The trainer asks for a batch."""
        self._asked = time.perf_counter()
        if self._given is not None:
            self.busy += self._asked - self._given
            self._given = None

    def give(self) -> None:
        """It has got one."""
        self.batches += 1
        self.stop()
        self._given = time.perf_counter()
        if self.log_every is not None and self.waited + self.busy - sum(self._told[1:]) >= self.log_every:
            self.tell()

    def stop(self) -> None:
        """It waits no longer, whether it got something or not."""
        if self._asked is not None:
            self.waited += time.perf_counter() - self._asked
            self._asked = None

    def tell(self) -> None:
        """Say how it was since the last time, if there was anything."""
        batches, waited, busy = self._told
        batches, waited, busy = self.batches - batches, self.waited - waited, self.busy - busy
        if self.log_every is None or not batches:
            return
        self._told = (self.batches, self.waited, self.busy)
        share = waited / (waited + busy) if waited > 0 else 0.0
        level = logging.WARNING if share >= WORTH_A_WARNING else logging.INFO
        log.log(
            level, "starved for %.1f %% of the last %.0f s (waited %.1f s for %d batches)",
            100 * share, waited + busy, waited, batches,
        )  # fmt: skip
