"""Whether a server gets requests: ejected after failures in a row or excluded for its digest, back after a probe."""

from dataclasses import dataclass

EJECT_AFTER = 5
"""Failures in a row."""

FIRST_PAUSE = 10.0
"""Seconds until a server that is not used is probed for the first time."""

LONGEST_PAUSE = 160.0
"""Limit of a pause, which doubles with each failed probe, and if the server fails again soon after its return."""


@dataclass(slots=True)
class Health:
    """The health of one server. Times are in seconds of the fleet's clock.

    Attributes:
        failures: in a row, since the last success.
        ejections: in all.
        ejected: whether the server gets requests only if no other is left.
        exclusion: why the server gets no requests at all; None if it may get some.
    """

    failures: int = 0
    ejections: int = 0
    ejected: bool = False
    exclusion: str | None = None
    _pause: float = 0.0
    _probe_at: float = 0.0
    _back_at: float = float("-inf")

    @property
    def usable(self) -> bool:
        """Whether the server gets requests like all others."""
        return not self.ejected and self.exclusion is None

    @property
    def state(self) -> str:
        """One of "used", "ejected" and "excluded"."""
        if self.exclusion is not None:
            return "excluded"
        return "ejected" if self.ejected else "used"

    @property
    def failing(self) -> bool:
        """Whether there were enough failures in a row to eject the server."""
        return self.failures >= EJECT_AFTER

    def succeed(self, now: float) -> None:
        """Count a success. It brings an ejected server back."""
        self.failures = 0
        if self.ejected:
            self.bring_back(now)

    def fail(self) -> None:
        """Count a failure."""
        self.failures += 1

    def eject(self, now: float) -> None:
        """Give the server requests only if no other is left, until a probe succeeds."""
        self._begin_pause(now)
        self.ejections += 1
        self.ejected = True

    def exclude(self, reason: str, now: float) -> None:
        """Give the server no requests until a probe succeeds."""
        self._begin_pause(now)
        self.exclusion = reason
        self.ejected = False

    def bring_back(self, now: float) -> None:
        """Give the server requests like all others."""
        self.ejected, self.exclusion, self.failures = False, None, 0
        self._back_at = now

    def probe_is_due(self, now: float) -> bool:
        """Return whether the pause of a server that is not used is over."""
        return not self.usable and now >= self._probe_at

    def begin_probe(self, now: float) -> None:
        """Let the next probe be due a pause from now, in case this one gives no result."""
        self._probe_at = now + self._pause

    def fail_probe(self, now: float) -> None:
        """Begin a longer pause."""
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._probe_at = now + self._pause

    def _begin_pause(self, now: float) -> None:
        """Begin a pause, longer than the last one if the server was not well for as long as that."""
        well = now - self._back_at >= self._pause
        self._pause = FIRST_PAUSE if well else min(2 * self._pause, LONGEST_PAUSE)
        self._probe_at = now + self._pause
