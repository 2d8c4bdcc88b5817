"""The log of long responses: a line for each of them once a minute."""

import logging

from service.activity.streams import StreamProgress, StreamRegistry, Totals
from service.log_lines import MAX_ADDRESS, fields, one_word

log = logging.getLogger("saccade_sampler.streams")

INTERVAL = 60.0

IDLE = 10.0
"""Seconds without a byte after which a line says so."""


class StreamLog:
    """Logs how far each response has come, and what it waited for since its last line."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._logged: dict[StreamProgress, Totals] = {}

    def update(self, streams: StreamRegistry) -> None:
        """Log the responses whose last line, or beginning, is a minute ago. Call it once a second."""
        before, self._logged = self._logged, {}
        for progress in streams:
            last, now = before.get(progress, Totals()), progress.totals
            if now.seconds - last.seconds < self._interval:
                self._logged[progress] = last
                continue
            self._logged[progress] = now
            _log(progress, now - last)


def _log(progress: StreamProgress, since: Totals) -> None:
    facts = progress.facts
    numbers = fields(
        progress.request_id,
        client=one_word(progress.client, MAX_ADDRESS),
        dataset=facts.dataset,
        layout=facts.layout,
        seed=facts.seed,
        rank=facts.rank,
        world_size=facts.world_size,
        step=progress.step,
        samples=progress.samples,
        bytes=progress.sent_bytes,
        samples_per_second=round(since.samples / since.seconds, 1),
        bytes_per_second=round(since.sent_bytes / since.seconds),
        waited_for_workers=round(since.workers / since.seconds, 3),
        waited_for_client=round(since.client / since.seconds, 3),
        idle_seconds=round(progress.idle, 1),
        paused=progress.paused,
        pauses=progress.pauses,
    )
    log.info(
        "%s seed %d rank %d/%d: step %s, %.1f samples/s, %.1f MB/s, waited %.0f %% for workers, "
        "%.0f %% for the client%s",
        facts.dataset, facts.seed, facts.rank, facts.world_size, progress.step, since.samples / since.seconds,
        since.sent_bytes / since.seconds / 1e6, 100 * since.workers / since.seconds,
        100 * since.client / since.seconds, _idle(progress), extra=numbers,
    )  # fmt: skip


def _idle(progress: StreamProgress) -> str:
    """Return since when nothing was sent, if that is unusual."""
    if not progress.paused and progress.idle < IDLE:
        return ""
    return f", {'paused, ' if progress.paused else ''}nothing sent for {progress.idle:.0f} s"
