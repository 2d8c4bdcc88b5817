"""How long a trainer waited for data, and how long it computed."""

import logging
import time
from dataclasses import dataclass, replace

from client.fleet.statistics import FleetStatistics

log = logging.getLogger("saccade_client")

WARN_SHARE = 0.1
"""Share of the time spent waiting from which the log line is a warning."""

SHORT_RUN = 60.0
"""Seconds of a run before which it is none, and so for a last line over a shorter time: a few waits are most of it."""


@dataclass(frozen=True, slots=True)
class LoaderStatistics:
    """Counts and times of a loader.

    Attributes:
        batches: batches that the trainer got.
        samples: samples in them.
        bytes: bytes of their arrays, as the loader's process made them.
        waited: seconds that the trainer waited for batches, including the first one.
        busy: seconds between getting a batch and asking for the next.
        copies: batches that were copied, because the trainer kept too many.
        restarts: how often the loader's process died or stopped responding, and was replaced.
        damaged: responses whose bytes were damaged on their way, so that they were requested again.
        fleet: counts of several servers, in all and of each, at most a second old; None for one server.
    """

    batches: int = 0
    samples: int = 0
    bytes: int = 0
    waited: float = 0.0
    busy: float = 0.0
    copies: int = 0
    restarts: int = 0
    damaged: int = 0
    fleet: FleetStatistics | None = None

    @property
    def starved(self) -> float:
        """The share of the time spent waiting, 0–1."""
        total = self.waited + self.busy
        return self.waited / total if total > 0 else 0.0


class StatisticsRecorder:
    """Counts, measures waiting and computing, and logs both from time to time.

    log_every: seconds between two lines; None for no lines. dataset: name of the loader's dataset, by which the lines
    of several loaders differ; None if it is not known or there is none.
    """

    dataset: str | None = None

    def __init__(self, log_every: float | None) -> None:
        self.statistics = LoaderStatistics()
        self._log_every = log_every
        self._logged = self.statistics
        self._asked: float | None = None
        self._given: float | None = None
        self._start = 0.0  # seconds until the first batch
        self._earlier: FleetStatistics | None = None  # of workers before this one

    def add(self, **amounts: float) -> None:
        """Add to counts and times, by name."""
        sums = {name: getattr(self.statistics, name) + amount for name, amount in amounts.items()}
        self.statistics = replace(self.statistics, **sums)

    def begin_worker(self) -> None:
        """A worker starts: it counts from zero."""
        self._earlier = self.statistics.fleet

    def count_servers(self, fleet: FleetStatistics) -> None:
        """Take over what the worker has counted about several servers."""
        self.statistics = replace(self.statistics, fleet=fleet.after(self._earlier))

    def ask(self) -> None:
        """The trainer asks for a batch."""
        self._asked = time.perf_counter()
        if self._given is not None:
            self.add(busy=self._asked - self._given)
            self._given = None

    def give(self, samples: int, size: int) -> None:
        """The trainer gets a batch of `size` bytes."""
        self.add(batches=1, samples=samples, bytes=size)
        self.stop()
        self._given = time.perf_counter()
        if self.statistics.batches == 1:
            self._start = self.statistics.waited
        now, last = self.statistics, self._logged
        if self._log_every is not None and now.waited + now.busy - last.waited - last.busy >= self._log_every:
            self.log()

    def stop(self) -> None:
        """The trainer stops waiting, with or without a batch."""
        if self._asked is not None:
            self.add(waited=time.perf_counter() - self._asked)
            self._asked = None

    def log(self) -> None:
        """Log the times since the last line, if there were any batches.

        The wait for the first batch is in the first line, but no reason for a warning: the loader's process starts in
        it, and may compile its kernels.
        """
        now, last = self.statistics, self._logged
        batches, waited, busy = now.batches - last.batches, now.waited - last.waited, now.busy - last.busy
        if self._log_every is None or not batches:
            return
        self._logged = now
        share, seconds = _share(waited, busy), waited + busy
        start = 0.0 if last.batches else self._start
        tells = now.waited + now.busy >= SHORT_RUN and seconds >= min(SHORT_RUN, self._log_every)
        level = logging.WARNING if tells and _share(waited - start, busy) >= WARN_SHARE else logging.INFO
        log.log(
            level, "%sstarved for %.1f %% of the last %.1f s (waited %.1f s for %d %s)%s",
            f"{self.dataset}: " if self.dataset else "", 100 * share, seconds, waited,
            batches, "batch" if batches == 1 else "batches", _said_of_servers(last.fleet, now.fleet),
        )  # fmt: skip


def _share(waited: float, busy: float) -> float:
    return LoaderStatistics(waited=waited, busy=busy).starved


def _said_of_servers(before: FleetStatistics | None, now: FleetStatistics | None) -> str:
    """Return what happened to several servers since the last line; "" for nothing, or for one server."""
    if now is None:
        return ""
    happened = {
        name: getattr(now, name) - (0 if before is None else getattr(before, name))
        for name in ("failures", "hedges", "ejections")
    }
    used = sum(server.state == "used" for server in now.servers)
    if used == len(now.servers) and not any(happened.values()):
        return ""
    counts = ", ".join(f"{name} {count}" for name, count in happened.items())
    return f"; servers: {used} of {len(now.servers)} in use, {counts}"
