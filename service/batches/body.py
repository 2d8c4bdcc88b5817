"""The body of a batch response: messages in request order, as workers make them."""

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass

from sampler.wire.messages import PayloadDigest, encode_error, encode_header, encode_trailer
from service.batches.cache import Run, SharedBatch
from service.batches.prefetch import Lookahead
from service.batches.run_source import RunSource
from service.batches.selection import Batch
from service.errors.problems import ServiceError, problem_of
from service.metrics import Metrics
from service.shutdown import Shutdown

PIECE_BYTES = 1_300_000
"""Bytes that are sent at once: larger pieces were measured to leave more slowly."""

Piece = bytes | memoryview


class SampleFailedError(Exception):
    """A sample could not be made; its error message has been sent and nothing follows it."""


@dataclass(frozen=True, slots=True)
class BatchMaker:
    """Makes the bodies of responses.

    steps_ahead: how far a stream works ahead of the step that is being sent. stall_seconds: time in which a client
    must take something.
    """

    source: RunSource
    metrics: Metrics
    shutdown: Shutdown
    steps_ahead: int
    stall_seconds: float

    def open(self, batches: Iterable[Batch]) -> "BatchBody":
        """Begin a body that gives batch after batch. To be closed."""
        return BatchBody(self, iter(batches))


class BatchBody:
    """The messages of one response."""

    def __init__(self, maker: BatchMaker, batches: Iterator[Batch]) -> None:
        """Begin with the first batch."""
        self._shutdown = maker.shutdown
        self._metrics = maker.metrics
        self._ahead = Lookahead(maker.source, batches, maker.steps_ahead, maker.stall_seconds)

    def whole_length(self) -> int | None:
        """Return the bytes of a body of one batch where all of it is made already; None otherwise.

        What is there stays there until it is sent.
        """
        shared = self._ahead.current()
        if shared is None or not self._ahead.hold_whole() or shared.trailer is None:
            return None
        sizes = sum(run.size for run in shared.runs if run is not None)
        return len(encode_header(shared.batch.header)) + sizes + len(shared.trailer)

    def close(self) -> None:
        """Give everything back."""
        self._ahead.close()

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the bytes, batch after batch. Ends before a batch when the server is to end.

        Raises `SampleFailedError` after the message that says which sample could not be made, and why.
        """
        while (shared := self._ahead.current()) is not None:
            header = encode_header(shared.batch.header)
            yield header
            digest = None if shared.trailer is not None else PayloadDigest()
            if digest is not None:
                digest.update(header)
            samples = self._metrics.samples.labels(shared.batch.header.layout)
            for _ in shared.plan:
                try:
                    run = await self._next_run()
                    piece: Piece
                    for piece in _cut(run.view()):
                        if digest is not None:
                            digest.update(piece)
                        yield piece
                    piece = b""  # this memory may be what the next run needs
                    samples.inc(len(run.lengths or ()))
                    run.check()
                except ServiceError as error:
                    self._ahead.fail()
                    yield encode_error(problem_of(error))
                    raise SampleFailedError(str(error)) from error
                self._ahead.sent()
                del run
            yield _trailer(shared, digest)
            self._ahead.end_batch()
            if self._shutdown.begun:
                return

    async def _next_run(self) -> Run:
        begun = time.perf_counter()
        if self._shutdown.begun:
            self._ahead.begin_no_more()
        run = await self._ahead.head()
        self._metrics.sample_seconds.observe(time.perf_counter() - begun)
        return run


def _trailer(shared: SharedBatch, digest: PayloadDigest | None) -> bytes:
    """Return a batch's last message, and leave it for whoever shares the batch."""
    if digest is not None:
        shared.trailer = encode_trailer(shared.batch.header.count, digest.hex())
    return shared.trailer or b""


def _cut(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]
