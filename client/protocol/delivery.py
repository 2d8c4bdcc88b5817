"""The keys that the next batch must have; those of a stream are worked out some steps ahead."""

from collections.abc import Iterator

from client.protocol.requests import Request, StreamRequest
from sampler.stream.keys import SampleKey
from sampler.stream.shards import stream_keys
from sampler.wire.spec import ServiceSpec


class ExpectedKeys:
    """Says which keys the next batch of a request must have; for one request and what is left of it."""

    def __init__(self, spec: ServiceSpec) -> None:
        """spec: of the server that is asked."""
        self._spec = spec
        self._next: int | None = None
        self._ahead: Iterator[list[SampleKey]] = iter(())

    def of(self, due: Request) -> list[SampleKey]:
        """Return the keys of the next batch of what is due, in order."""
        if not isinstance(due, StreamRequest):
            return due.expected_keys(self._spec)
        if self._next != due.start:
            steps = range(due.start, 1 << 63 if due.stop is None else due.stop)
            self._ahead = stream_keys(self._spec.size, due.seed, steps, due.shard)
        self._next = due.start + 1
        return next(self._ahead)
