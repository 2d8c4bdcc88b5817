"""A small share of some processes' time, which adds up while it is not used."""


class TimeShare:
    """Decides whether work that must not hold up other work may begin. All times are in seconds.

    Work begins unless time is owed, because how long it takes is known at its end. If it takes more than was left, the
    next one waits until that is made up for, but never longer than the time over which an unused share adds up.
    """

    def __init__(self, rate: float, saved_seconds: float, now: float = 0.0) -> None:
        """Begin with all that can be saved.

        Args:
            rate: Seconds of work for each second; above 1 for several processes.
            saved_seconds: Time over which an unused share adds up.
            now: The time since an arbitrary moment.
        """
        self._rate = rate
        self._most = rate * saved_seconds
        self._left = self._most
        self._since = now

    def wait(self, now: float) -> float:
        """Return how long work must wait: 0 if it may begin."""
        self._left = min(self._most, self._left + self._rate * (now - self._since))
        self._since = now
        return max(0.0, -self._left / self._rate)

    def spend(self, seconds: float) -> None:
        """Note that work took `seconds`."""
        self._left = max(-self._most, self._left - seconds)
