"""What the server has done in the last seconds, from readings of its totals once a second."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from service.activity.streams import StreamProgress, StreamRegistry, Totals

RECENT_SECONDS = 10
"""Rates and shares are those of the last seconds."""

HISTORY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since the start of the server. Times are in seconds.

    Attributes:
        time: When they were read.
        totals: Of all batch responses.
        busy: In which workers did jobs, summed over all workers.
        views: In which they did jobs of pages, summed over all workers.
        computing: In which workers used a CPU, summed over all workers.
        delayed: In which workers could have run but had no CPU, summed over all workers.
        own: In which this process, which sends, used a CPU.
        rendering: In which it used a CPU to render pages.
        restarts: Workers that were replaced, without those that the server ended for a view.
        failures: Samples that failed.
        refusals: Requests that got no place.
        no_memory: Times that a response found no memory for its next run.
    """

    time: float
    totals: Totals = field(default_factory=Totals)
    busy: float = 0.0
    views: float = 0.0
    computing: float = 0.0
    delayed: float = 0.0
    own: float = 0.0
    rendering: float = 0.0
    restarts: int = 0
    failures: int = 0
    refusals: int = 0
    no_memory: int = 0


@dataclass(frozen=True, slots=True)
class Rates:
    """What the server did in the last `seconds`. Shares are between 0 and 1.

    Attributes:
        seconds: Length of the time.
        samples_per_second: Samples sent.
        bytes_per_second: Bytes of responses sent.
        waiting_for_workers: Share of the responses' time in which they waited for samples to be made.
        waiting_for_clients: Share in which they waited for their clients to read, or for the network.
        waiting_for_places: Share in which they had been paused and waited for a place.
        unread: Share of the time of sending in which clients did not read, so that it was not the network that
            responses waited for; None if unknown.
        workers_busy: Share of the workers' time in which they did jobs.
        sending: Seconds in which any response was under way, in whole intervals between readings.
        busy_sending: Share of the workers' time in which they did jobs, in these seconds only.
        views: Share of the workers' time in which they did jobs of pages, such as thumbnails.
        computing: Share of the busy time in which they used a CPU.
        delayed: Share of the busy time in which they waited for a CPU.
        sender_cpu: CPU time of the process that sends, in CPUs.
        rendering: CPU time in which it rendered pages, in CPUs.
        rendering_sending: The same in the seconds of `sending` only.
        failures: Samples that failed.
        refusals: Requests that got no place.
        no_memory: Times that a response found no memory for its next run.
    """

    seconds: float = 0.0
    samples_per_second: float = 0.0
    bytes_per_second: float = 0.0
    waiting_for_workers: float = 0.0
    waiting_for_clients: float = 0.0
    waiting_for_places: float = 0.0
    unread: float | None = None
    workers_busy: float = 0.0
    sending: float = 0.0
    busy_sending: float = 0.0
    views: float = 0.0
    computing: float = 0.0
    delayed: float = 0.0
    sender_cpu: float = 0.0
    rendering: float = 0.0
    rendering_sending: float = 0.0
    failures: int = 0
    refusals: int = 0
    no_memory: int = 0


def rates(before: Reading, after: Reading, workers: int) -> Rates:
    """Return what happened between two readings. workers: their number."""
    seconds = after.time - before.time
    if seconds <= 0:
        return Rates()
    totals, busy = after.totals - before.totals, after.busy - before.busy
    computing = _share(after.computing - before.computing, busy)
    return Rates(
        seconds=seconds,
        samples_per_second=totals.samples / seconds,
        bytes_per_second=totals.sent_bytes / seconds,
        waiting_for_workers=_share(totals.workers, totals.seconds),
        waiting_for_clients=_share(totals.client, totals.seconds),
        waiting_for_places=_share(totals.place, totals.seconds),
        unread=_share(totals.unread, totals.sending) if totals.sending > 0 else None,
        workers_busy=_share(busy, workers * seconds),
        views=_share(after.views - before.views, workers * seconds),
        computing=computing,
        delayed=min(1 - computing, _share(after.delayed - before.delayed, busy)),  # workers also wait between jobs
        sender_cpu=(after.own - before.own) / seconds,
        rendering=(after.rendering - before.rendering) / seconds,
        failures=after.failures - before.failures,
        refusals=after.refusals - before.refusals,
        no_memory=after.no_memory - before.no_memory,
    )


def _while_sending(recent: Sequence[Reading], workers: int, rates: Rates) -> Rates:
    """Return rates with what readings in a row say of the time of sending: waits of responses compare with it alone."""
    pairs = [(a, b) for a, b in pairwise(recent) if b.totals.seconds > a.totals.seconds]
    seconds = sum(after.time - before.time for before, after in pairs)
    return replace(
        rates,
        sending=seconds,
        busy_sending=_share(sum(after.busy - before.busy for before, after in pairs), workers * seconds),
        rendering_sending=_share(sum(after.rendering - before.rendering for before, after in pairs), seconds),
    )


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


class Readings:
    """The readings of the last minute, and of the last seconds of each response under way."""

    def __init__(self) -> None:
        self._all: deque[Reading] = deque(maxlen=HISTORY_SECONDS + 1)
        self._streams: dict[StreamProgress, deque[tuple[float, Totals]]] = {}

    def add(self, reading: Reading, streams: StreamRegistry) -> None:
        """Add a reading, and one of each response."""
        self._all.append(reading)
        before, self._streams = self._streams, {}
        for progress in streams:
            recent = self._streams[progress] = before.get(progress) or deque(maxlen=RECENT_SECONDS + 1)
            recent.append((reading.time, progress.totals))

    def rates(self, workers: int) -> Rates:
        """Return the rates of the last seconds. workers: their number."""
        if not self._all:
            return Rates()
        recent = list(self._all)[-RECENT_SECONDS - 1 :]
        return _while_sending(recent, workers, rates(recent[0], recent[-1], workers))

    def history(self) -> list[tuple[float, float]]:
        """Return samples and bytes per second of each of the last seconds, the latest last."""
        found = [rates(before, after, 1) for before, after in pairwise(self._all)]
        return [(one.samples_per_second, one.bytes_per_second) for one in found]

    def restarts(self) -> int:
        """Return how many workers were replaced in the last minute."""
        return self._all[-1].restarts - self._all[0].restarts if self._all else 0

    def of_stream(self, progress: StreamProgress) -> tuple[float, Totals]:
        """Return the length of the last seconds of a response, and what it sent and waited in them."""
        recent = self._streams.get(progress)
        if not recent:
            return 0.0, Totals()
        (begun, before), (now, after) = recent[0], recent[-1]
        return now - begun, after - before
