"""Recent errors, for people who look at the server: the same error once, with the number of times."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sampler.errors import ImageError
from service.errors.problems import ServiceError

MAX_ERRORS = 50
"""Errors that are remembered."""

MAX_TEXT = 500
"""Characters of an error that are shown."""

Kind = Literal["sample", "image", "storage", "worker", "view", "damaged", "store-damaged"]
"""A sample that was requested failed, because of an image or for another reason; the storage cannot be reached; a
worker ended; one was ended because a view took too long; an image is damaged, but used; the decoded store is damaged.
"""

ADVICE: Mapping[Kind, str] = {
    "sample": "See the server's log; report it if the server has a fault.",
    "image": "Restore the file, or list it with `saccade-sampler verify --unusable` and set SAMPLER_SUBSTITUTE.",
    "storage": "Check the network, the credentials and the storage; clients retry meanwhile.",
    "worker": "Its samples are made again. If it recurs, check memory, disks and the server's log.",
    "view": "Nothing to do if the image is very large; otherwise check the disks. More workers keep training going.",
    "damaged": "OpenCV's pixels are served. Replace the file, or set SAMPLER_DAMAGED=refuse.",
    "store-damaged": "The image file is read instead. Repair the store: `saccade-sampler decode`.",
}
"""What to do."""

FAILURES = frozenset({"sample", "image", "storage"})
"""Errors that a client has received in place of a sample."""


@dataclass(frozen=True, slots=True)
class RecentError:
    """An error as it is shown.

    Attributes:
        kind: What failed.
        text: The error in words.
        file: The file that it is about, if it is about one.
        first: When it occurred first, in seconds since the epoch.
        last: When it occurred last.
        times: How often; 0 if no batch had it so far, only pages.
        advice: What to do.
        stream: The response that failed because of it, the last time; "" if none did.
    """

    kind: Kind
    text: str
    file: str | None
    first: float
    last: float
    times: int
    advice: str
    stream: str = ""


class RecentErrors:
    """Remembers the last errors."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.failures = 0  # samples that failed, since the start
        self._now = now
        self._errors: OrderedDict[tuple[str, str, str | None], RecentError] = OrderedDict()

    def add(self, kind: Kind, text: str, file: str | None = None, stream: str = "") -> None:
        """Note an error. If there are too many, the least recent one is forgotten.

        stream: the response that failed because of it.
        """
        self.failures += kind in FAILURES
        key = kind, text[:MAX_TEXT], file
        before, now = self._errors.pop(key, None), self._now()
        first, times = (now, 0) if before is None else (before.first, before.times)
        self._remember(key, RecentError(kind, key[1], file, first, now, times + 1, ADVICE[kind], stream))

    def add_failure(self, error: Exception, stream: str = "") -> None:
        """Note that a sample failed, and with it a response."""
        kind: Kind = "sample"
        file = None
        if isinstance(error, ServiceError):
            kind = "image" if error.kind == "image" else "storage" if error.kind == "storage" else "sample"
            file = error.members.get("file")
        self.add(kind, str(error), None if file is None else str(file), stream)

    def add_seen(self, error: ImageError) -> None:
        """Note an image that cannot be read, whether a batch or only a page needed it. No failure is counted."""
        key = "image", str(error)[:MAX_TEXT], error.file
        if key not in self._errors:
            now = self._now()
            self._remember(key, RecentError("image", key[1], error.file, now, now, 0, ADVICE["image"]))

    def latest(self) -> list[RecentError]:
        """Return the errors, the latest first."""
        return list(reversed(self._errors.values()))

    def _remember(self, key: tuple[str, str, str | None], error: RecentError) -> None:
        self._errors[key] = error
        if len(self._errors) > MAX_ERRORS:
            self._errors.popitem(last=False)
