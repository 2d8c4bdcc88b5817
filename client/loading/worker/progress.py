"""Whether the loading thread makes progress, for the thread that answers the trainer."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST_SECONDS = 600.0
"""Limit for the first batch, for which kernels may be compiled."""

BATCH_SECONDS = 60.0
SAMPLE_SECONDS = 1.0
"""Together the limit for a later batch, far above what rendering takes on a slow machine."""


class Progress:
    """Notices when the loading thread hangs where no timeout of the client ends the wait."""

    def __init__(self) -> None:
        self._first = True
        self._deadline = math.inf

    @property
    def late(self) -> bool:
        """Whether the thread has taken too long for what it is doing."""
        return time.monotonic() > self._deadline

    @contextmanager
    def rendering(self, samples: int) -> Iterator[None]:
        """Limit the time of the block, which renders a batch of `samples`."""
        limit = FIRST_SECONDS if self._first else BATCH_SECONDS
        self._deadline = time.monotonic() + limit + samples * SAMPLE_SECONDS
        try:
            yield
        finally:
            self._deadline = math.inf
            self._first = False
