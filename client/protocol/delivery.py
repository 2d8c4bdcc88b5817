"""The batches of one request, across responses that break. No I/O."""

from collections.abc import Iterator

from client.batches.packed import PackedBatch
from client.errors import ClientError, ServerUnavailableError, TransferError
from client.protocol.requests import Request, StreamRequest
from sampler.memory.buffer_pool import BufferPool
from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec


class Delivery:
    """Turns responses into the batches of a request: in order, each checked, each exactly once.

        delivery.start()                 begin an attempt: `exchange` has the HTTP request for the batches still due
        delivery.buffer()                where the next bytes of the response belong
        delivery.advance(count)          `count` bytes were put there; `feed(chunk)` replaces both
        delivery.take()                  the next complete batch; None: more bytes are needed
        delivery.end()                   the response has ended

    After a response that broke, call `start` again.
    """

    def __init__(self, request: Request, spec: ServiceSpec, base_url: str, memory: BufferPool | None = None) -> None:
        """Prepare the delivery of `request`.

        Args:
            request: asks for the batches.
            spec: of the server; every batch must have its digest.
            base_url: of the server.
            memory: holds the arrays of the batches; new memory by default.
        """
        self._memory = memory or BufferPool()
        self._base_url = base_url
        self._spec = spec
        self._due: Request | None = request
        if isinstance(request, StreamRequest) and request.empty:
            self._due = None

    @property
    def done(self) -> bool:
        """Whether every batch has been taken."""
        return self._due is None

    def start(self) -> None:
        """Begin an attempt; `exchange` then has the HTTP request for the batches still due."""
        request = self._due
        assert request is not None, "no batch is due"
        self.exchange = request.exchange(self._base_url, self._spec.digest)
        self._keys = request.batch_keys(self._spec.size)
        self._reader = BatchReader(self._spec.config, self._spec.categories, request.layout, memory=self._memory)
        self._complete: Iterator[WireBatch] = iter(())
        self._bytes = 0

    def buffer(self) -> memoryview:
        """Return where the next bytes of the response belong. Call this when `take` has returned None."""
        return self._reader.buffer()

    def advance(self, count: int) -> None:
        """Process `count` bytes that were put into `buffer`."""
        self._bytes += count
        self._complete = self._reader.advance(count)

    def feed(self, chunk: bytes) -> None:
        """Process the next bytes of the response. Call this when `take` has returned None."""
        self._bytes += len(chunk)
        self._complete = self._reader.feed(chunk)

    def take(self) -> PackedBatch | None:
        """Return the next complete batch, or None if more bytes are needed.

        Raises:
            ProtocolError: the batch is not the one requested.
            DigestMismatchError: the batch has another digest.
            SamplerError: from `BatchReader`.
        """
        batch = next(self._complete, None)
        if batch is None:
            return None
        if self._due is None:
            raise self.exchange.violation("a batch after the last one requested")
        self._check(batch, self._due)
        self._due = self._due.after_next()
        self.exchange.step = self._due.step if self._due else None
        packed = PackedBatch(batch, self._spec, self._bytes, self._memory)
        self._bytes = 0
        return packed

    def end(self) -> None:
        """Handle the end of the response. Raises `TransferError` if a batch is still due."""
        if self._due is None:
            return
        where = "inside a batch" if self._reader.incomplete else "before"
        what = "the requested batch" if self._due.step is None else f"the batch of step {self._due.step}"
        message = f"{self.exchange.name}: the response ended {where}: expected {what}"
        raise TransferError(message, request_id=self.exchange.request_id)

    def settled(self, error: ClientError) -> bool:
        """Whether `error` can be ignored: the response broke after its last batch."""
        return self.done and isinstance(error, ServerUnavailableError | TransferError)

    def _check(self, batch: WireBatch, due: Request) -> None:
        header, violation = batch.header, self.exchange.violation
        if header.digest != self._spec.digest:
            raise self.exchange.digest_mismatch(self._spec.digest, header.digest)
        if header.augment != due.augment:
            raise violation(f"augment = {header.augment}: expected {due.augment}, as requested")
        if header.step != due.step:
            raise violation(f"step {header.step}: expected step {due.step}")
        keys = next(self._keys)
        if len(batch.samples) != len(keys):
            raise violation(f"a batch of {len(batch.samples)} samples: expected {len(keys)}")
        for sample, key in zip(batch.samples, keys, strict=True):
            if sample.key != key:
                raise violation(f"sample {sample.position} is {sample.key}: expected {key}")
