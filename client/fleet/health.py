"""Whether a server gets requests: ejected after failures in a row, back after a probe."""

from dataclasses import dataclass

EJECT_AFTER = 5
"""Failures in a row."""

FIRST_PAUSE = 10.0
"""Seconds until an ejected server is probed for the first time."""

LONGEST_PAUSE = 160.0
"""Limit of the pause, which doubles with each ejection and each failed probe."""


@dataclass(slots=True)
class Health:
    """The health of one server. Times are in seconds of the fleet's clock.

    Attributes:
        failures: in a row, since the last success.
        ejections: in all.
        ejected: whether the server gets requests only if no other is left.
    """

    failures: int = 0
    ejections: int = 0
    ejected: bool = False
    _pause: float = 0.0
    _probe_at: float = 0.0
    _back_at: float = 0.0

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
        """Begin a pause. It is longer than the last one unless the server was well for as long as that."""
        recovered = now - self._back_at >= self._pause
        self._pause = FIRST_PAUSE if recovered else min(2 * self._pause, LONGEST_PAUSE)
        self._probe_at = now + self._pause
        self.ejections += 1
        self.ejected = True

    def bring_back(self, now: float) -> None:
        """End the ejection."""
        self.ejected = False
        self.failures = 0
        self._back_at = now

    def probe_is_due(self, now: float) -> bool:
        """Return whether the pause of an ejected server is over."""
        return self.ejected and now >= self._probe_at

    def begin_probe(self, now: float) -> None:
        """Let the next probe be due a pause from now, in case this one gives no result."""
        self._probe_at = now + self._pause

    def fail_probe(self, now: float) -> None:
        """Begin a longer pause."""
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._probe_at = now + self._pause
