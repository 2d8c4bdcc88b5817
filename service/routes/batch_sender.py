"""Sending batches: the bytes of one response, piece by piece, also across pauses.

The position of a response is in the variables of these functions, and in its prefetch. Before each piece, and whatever
else it sends, it waits until the client has read what was sent before; meanwhile it refers to no run. A response that
is paused there takes its run anew, and continues at the same byte: a run that is made again has the same bytes.
"""

import time
from typing import Any

from sampler.wire.messages import encode_error, encode_header, encode_trailer
from service.activity.streams import StreamProgress
from service.batches.cache import BatchCache, Run
from service.batches.prefetch import Prefetch
from service.batches.selection import Batch
from service.errors.problems import JobError, ServiceError, problem_of
from service.lifespan.state import Serving
from service.reading import WatchedSend

PIECE_BYTES = 2_500_000
"""Most bytes written at once. Each write costs the server as much as copying some hundred kilobytes."""

COPY_BYTES = 250_000
"""Most bytes that are copied for a client, and that wait for it apart from the arena."""


class BrokenMessageError(Exception):
    """A message was sent in part, and its rest cannot be made again. Nothing can follow it."""


class PausableRuns:
    """The memory of one response, for its pauses: its prefetch, and the slab of the piece that its socket has."""

    def __init__(self, prefetch: Prefetch, cache: BatchCache, progress: StreamProgress, state: dict[str, Any]) -> None:
        """state: of the request, in which the pauses are counted."""
        self.on_socket = 0  # bytes of the slab that the last piece is in; 0 if it was copied
        self._prefetch = prefetch
        self._cache = cache
        self._progress = progress
        self._state = state
        self._pinned = 0

    def pause(self) -> None:
        """Let others have the runs when they need memory. They cannot have the piece that waits in the socket."""
        self._progress.pause()
        self._state["pauses"] = self._progress.pauses
        self._pinned = self.on_socket
        self._cache.pinned_bytes += self._pinned
        self._prefetch.pause()

    def release(self) -> None:
        """Release all runs."""
        self._prefetch.release()

    def wait_for_place(self) -> None:
        """Note that the client has read the piece, and the response waits for a place."""
        self._progress.wait_for("place")

    def resume(self) -> None:
        """Take runs again."""
        self._progress.resume()
        self._unpin()
        self._prefetch.resume()

    def close(self) -> None:
        """Release everything."""
        self._unpin()
        self._prefetch.close()

    def _unpin(self) -> None:
        self._cache.pinned_bytes -= self._pinned
        self._pinned = 0


class BatchSender:
    """Sends the batches of one prefetch."""

    def __init__(
        self,
        serving: Serving,
        prefetch: Prefetch,
        runs: PausableRuns,
        client: WatchedSend,
        progress: StreamProgress,
        length: int | None,
    ) -> None:
        """length: of the body in bytes, if it was announced."""
        self._serving = serving
        self._metrics = serving.metrics
        self._prefetch = prefetch
        self._runs = runs
        self._client = client
        self._progress = progress
        self._remaining = length

    async def send_batches(self) -> None:
        """Send batch after batch, and the end of the body. On shutdown, stop at the end of a batch.

        Raises:
            ServiceError: a sample could not be made; the message that says so was sent last.
            BrokenMessageError: a sample that was sent in part could not be made again.
            ClientDisconnectedError: the connection is closed.
            TimeoutError: the client reads too slowly.
        """
        any_sent = False
        while self._prefetch.begin():
            await self._until_read()
            if any_sent and self._serving.shutdown.begun:
                break
            try:
                await self._send_batch()
            except ServiceError as error:
                self._count_failure(error)
                self._prefetch.fail()
                if self._remaining is not None:  # it was announced that no such message follows
                    raise BrokenMessageError(str(error)) from error
                await self._until_read()
                await self._write(encode_error(problem_of(error)))
                raise
            any_sent = True
        if self._remaining != 0:
            await self._until_read()
            await self._client.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_batch(self) -> None:
        shared = self._prefetch.batch
        self._progress.step = shared.batch.header.step
        header = encode_header(shared.batch.header)
        shared.digest.update(0, header)
        runs, labels, sent = len(shared.plan), self._labels(shared.batch), len(header)
        del shared  # a pause may end it; the batch is then another object
        await self._write(header)
        for _ in range(runs):
            length = await self._send_run(sent)
            sent += length
            run = self._prefetch.first
            self._metrics.samples.add(labels, len(run.result.lengths))
            self._metrics.sample_bytes.add(labels, length)
            self._progress.samples += len(run.result.lengths)
            if run.result.problem is not None:
                raise JobError(run.result.problem)
            del run  # its memory may be what the next run needs
            self._prefetch.run_sent()
        await self._until_read()
        shared = self._prefetch.batch
        if shared.trailer is None:
            shared.trailer = encode_trailer(shared.batch.header.count, shared.digest.hexdigest())
        await self._write(shared.trailer)
        self._metrics.batches.add(labels)
        self._prefetch.batch_sent()

    def _labels(self, batch: Batch) -> tuple[str, str]:
        """Return dataset and layout of a batch, the labels of its metrics."""
        return self._serving.datasets[batch.dataset].title, batch.header.layout

    def _count_failure(self, error: ServiceError) -> None:
        dataset, _ = self._labels(self._prefetch.batch.batch)
        self._metrics.failed_samples.add((dataset, error.kind))

    async def _send_run(self, start: int) -> int:
        """Send the messages of the next run, whose place in the batch is `start`; return their length."""
        offset = 0
        await self._make_run()
        while True:
            while await self._until_read():  # it was paused, and others may have taken the memory of the run
                await self._make_run()
            length = self._length(self._prefetch.first, offset)
            if offset < length:
                offset += await self._send_piece(self._prefetch.first, start, offset)
            if offset == length:
                return length

    async def _send_piece(self, run: Run, start: int, offset: int) -> int:
        """Send the next piece of a run, of which `offset` bytes were sent; return its length.

        The memory of a run is not free before the client has read it. A slab of the reserve is copied instead, because
        the next run may need it; and any slab is while clients that do not read have enough of the arena already.
        """
        copied = run.slab.reserved or not self._serving.cache.may_pin(run.slab.size)
        piece = run.view()[offset : offset + (COPY_BYTES if copied else PIECE_BYTES)]
        self._prefetch.batch.digest.update(start + offset, piece)
        self._runs.on_socket = 0 if copied else run.slab.size
        await self._write(bytes(piece) if copied else piece)  # it waits for nothing
        return len(piece)

    def _length(self, run: Run, offset: int) -> int:
        """Return the length of a run's messages. Raises `BrokenMessageError` if what was sent is no part of them."""
        try:
            length = sum(run.result.lengths)
        except ServiceError as error:
            if offset:
                raise BrokenMessageError(str(error)) from error
            raise
        if length < offset:
            problem = run.result.problem or {}
            raise BrokenMessageError(str(problem.get("detail", "a run is shorter than before")))
        return length

    async def _make_run(self) -> None:
        """Wait until the next run is made."""
        begun = time.perf_counter()
        self._progress.wait_for("workers")
        if self._serving.shutdown.begun:
            self._prefetch.stop()
        await self._prefetch.next_run()
        self._progress.go_on()
        dataset, _ = self._labels(self._prefetch.batch.batch)
        self._metrics.run_wait_seconds.of((dataset,)).observe(time.perf_counter() - begun)

    async def _until_read(self) -> bool:
        """Wait until the client has read everything; return whether the response was paused meanwhile.

        No other function waits for the client, so that the counts of this one are complete.
        """
        self._progress.wait_for("client")
        paused = await self._client.until_read()
        self._progress.go_on()
        return paused

    async def _write(self, piece: bytes | memoryview) -> None:
        if self._remaining is not None:
            self._remaining -= len(piece)
        self._progress.send(len(piece))
        await self._client.send_piece(piece, more=self._remaining != 0)
