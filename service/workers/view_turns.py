"""When views, which are for pages, get a worker: in spare time, and else within a small share of the workers' time."""

from typing import Literal

from service.time_share import TimeShare

Turn = Literal["spare", "share"]
"""Spare: the worker is idle and no other job waits. Share: the view takes time from training."""

SHARE = 0.01
"""Part of the workers' time that views get while training needs all of it, so that pages are slow, but not dead."""

SAVED_SECONDS = 10.0
"""Time over which an unused share adds up, so that the first views of a page begin at once. Nor does a view that takes
long keep others waiting for longer, although it takes more than the share then."""

QUIET_SECONDS = 5.0
"""Once nothing was made for training for this long, views may have all workers. Before, half of them stay free for the
next job, which would otherwise wait for a view."""


class ViewTurns:
    """Decides when a view may begin. All times are in seconds since an arbitrary moment."""

    def __init__(self, workers: int, now: float = 0.0) -> None:
        """workers: size of the pool."""
        self._workers = workers
        self._share = TimeShare(SHARE * workers, SAVED_SECONDS, now)
        self._training = 0  # jobs under way
        self._trained = now - QUIET_SECONDS
        self._under_way: dict[Turn, int] = {"spare": 0, "share": 0}

    def begin_training(self) -> None:
        """Note that a job for training begins. `end_training` must follow."""
        self._training += 1

    def end_training(self, now: float) -> None:
        """Note that a job for training ends."""
        self._training -= 1
        self._trained = now

    def next(self, now: float, *, spare: bool) -> Turn | None:
        """Return the turn that a view may take, or None if it must wait.

        spare: whether a worker is idle and no other job waits.
        """
        if spare and self._under_way["spare"] < self._most_in_spare_time(now):
            return "spare"
        # One at a time: how long a view takes is known at its end.
        return "share" if not self._share.wait(now) and not self._under_way["share"] else None

    def is_quiet(self, now: float) -> bool:
        """Return whether nothing was made for training for a while."""
        return not self._training and now - self._trained >= QUIET_SECONDS

    def begin(self, turn: Turn) -> None:
        """Take a turn. `end` must follow."""
        self._under_way[turn] += 1

    def end(self, turn: Turn, seconds: float) -> None:
        """End a turn in which a worker spent `seconds`."""
        self._under_way[turn] -= 1
        if turn == "share":
            self._share.spend(seconds)

    def _most_in_spare_time(self, now: float) -> int:
        return self._workers if self.is_quiet(now) else max(1, self._workers // 2)
