"""The keys that the next batch must have, of a stream worked out some steps ahead: many at once cost little more."""

from collections import deque

from client.requests import Request, StreamRequest
from sampler.keys import SampleKey
from sampler.spec import ServiceSpec
from sampler.stream import keys_of_steps, last_step

MOST_AHEAD = 512
"""Keys that are worked out at once, if a step has fewer."""


class ExpectedKeys:
    """Says which keys the next batch of a request must have; for one request and what is left of it."""

    def __init__(self, spec: ServiceSpec) -> None:
        """spec: of the server that is asked."""
        self._spec = spec
        self._steps = 1
        self._next: int | None = None
        self._ahead: deque[list[SampleKey]] = deque()

    def of(self, due: Request) -> list[SampleKey]:
        """Return the keys of the next batch of what is due, in order."""
        if not isinstance(due, StreamRequest):
            return due.expected_keys(self._spec)
        if not self._ahead or self._next != due.start:
            # At first one step, then more: a stream that is soon left should not have cost much.
            end = min(due.start + self._steps, due.stop or 1 << 63, last_step(due.shard) + 1)
            count = max(1, end - due.start)
            self._ahead = deque(keys_of_steps(self._spec.size, due.seed, due.start, count, due.shard))
            self._steps = max(1, min(2 * self._steps, MOST_AHEAD // due.shard.count))
        self._next = due.start + 1
        return self._ahead.popleft()
