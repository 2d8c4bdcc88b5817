"""What a client knows of its server, and the batches of its requests, across responses that break. No I/O."""

import threading
from collections.abc import Iterator
from urllib.parse import urlencode

from client.batches import PackedBatch
from client.errors import ClientError, ServerUnavailableError, TransferError
from client.protocol.exchange import Exchange, Received
from client.protocol.proxies import proxy_for
from client.protocol.requests import Request, StreamRequest, require_layout
from client.protocol.target import FIRST_CONTACT, GIVEN, Pins, Target, require_dataset, require_digest
from client.protocol.urls import require_url
from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.errors import ProtocolError as WireProtocolError
from sampler.memory.buffer_pool import BufferPool
from sampler.version import VERSION
from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec

HEADERS = {"User-Agent": f"saccade-sampler/{VERSION}", "Accept-Encoding": "identity"}
"""Sent with every request. Samples hardly compress, and decompression would cost the training node time."""


class Session:
    """The server's URL, the dataset, the layout that batches travel in by default, and the spec of the first contact.

    It is shared by all threads and streams of a client.
    """

    def __init__(
        self,
        base_url: str,
        layout: Layout,
        dataset: str | None = None,
        *,
        digest: str | None = None,
        use_proxies: bool = True,
        host: str | None = None,
    ) -> None:
        """Check the arguments.

        dataset: name of one of the server's datasets; None for the first. digest: that it must have; None for any.
        use_proxies: False if the client was given a transport. host: for the Host header and TLS, if `base_url` has an
        address of this name.
        """
        self.base_url = require_url(base_url)
        self.proxy = proxy_for(self.base_url) if use_proxies else None
        self.host = host
        self.dataset = require_dataset(dataset)
        self.digest = require_digest(digest)
        self.layout = require_layout(layout)
        self.spec: ServiceSpec | None = None
        self.memory = BufferPool()
        self._lock = threading.Lock()

    def ready_exchange(self) -> Exchange:
        return Exchange("GET", f"{self.base_url}/readyz", proxy=self.proxy, host=self.host)

    def spec_exchange(self) -> Exchange:
        query = "" if self.dataset is None else f"?{urlencode({'dataset': self.dataset})}"
        url, first = f"{self.base_url}/v1/spec{query}", self.spec is None
        return Exchange("GET", url, media_type="application/json", proxy=self.proxy, host=self.host, first=first)

    def pin(self, document: bytes, exchange: Exchange) -> ServiceSpec:
        """Parse a spec and return the first one, which the session keeps. Its digests must not have changed."""
        fields = exchange.parse(document)
        spec = ServiceSpec.parse(fields)
        if self.dataset not in (None, spec.dataset_name):  # servers of older versions ignore the parameter
            expected = "no name, because the server's only dataset has none; leave dataset out"
            raise InvalidRequestError("dataset", self.dataset, expected)
        if self.spec is None:
            Pins(self.digest).require(spec, exchange.name, GIVEN, exchange.request_id)
        with self._lock:
            self.spec = self.spec or spec
        Pins.of(self.spec).require(spec, exchange.name, FIRST_CONTACT, exchange.request_id)
        return self.spec

    def target(self, spec: ServiceSpec) -> Target:
        """Return what requests for samples of the dataset name. spec: of the first contact."""
        return Target(self.base_url, spec.digest, spec.pixels, self.dataset, spec.substitutes, self.proxy, self.host)


class ReceivedSamples(Received):
    """What has arrived of a batch."""

    def __init__(self, reader: BatchReader, due: Request | None) -> None:
        super().__init__()
        self.due = due
        self._reader = reader

    def __str__(self) -> str:
        samples = f"{self._reader.samples} of {self.due.count if self.due else 0} samples"
        where = "" if self.due is None or self.due.step is None else f" of the batch of step {self.due.step}"
        return f"{samples}{where} ({super().__str__()}) in the last attempt"


class Delivery:
    """Turns responses into the batches of a request: in order, each checked, each exactly once.

        delivery.start()                 begin an attempt: `exchange` has the HTTP request for the batches still due
        delivery.take()                  the next complete batch; None: more bytes are needed
        delivery.reader.buffer()         where the next bytes of the response belong
        delivery.advance(count)          `count` bytes were put there; `feed(chunk)` replaces both
        delivery.end()                   the response has ended

    After a response that broke, call `start` again.
    """

    def __init__(self, request: Request, spec: ServiceSpec, target: Target, memory: BufferPool | None = None) -> None:
        """spec: every batch must have its digest. memory: for the arrays of the batches."""
        self._memory = memory or BufferPool()
        self._target = target
        self._spec = spec
        self._due: Request | None = request
        self._damaged = 0  # responses, since the last batch
        self._started = False
        if isinstance(request, StreamRequest) and request.empty:
            self._due = None

    @property
    def done(self) -> bool:
        """Whether every batch has been taken."""
        return self._due is None

    @property
    def received(self) -> int:
        """Bytes of the next batch that have arrived."""
        return self._received.bytes if self._started else 0

    def start(self) -> None:
        request = self._due
        assert request is not None, "no batch is due"
        self._keys = request.batch_keys(self._spec.size)
        self.exchange = request.exchange(self._target)
        spec = self._spec
        self.reader = BatchReader(spec.config, spec.categories, request.layout, self._memory, request.count)
        # If the exchange referred to the delivery itself, memory for arrays would wait for the cycle collector.
        self._received = self.exchange.received = ReceivedSamples(self.reader, request)
        self._complete: Iterator[WireBatch] = iter(())
        self._started = True

    def advance(self, count: int) -> None:
        self._received.bytes += count
        self._complete = self.reader.advance(count)

    def feed(self, chunk: bytes) -> None:
        self._received.bytes += len(chunk)
        self._complete = self.reader.feed(chunk)

    def take(self) -> PackedBatch | None:
        """Return the next complete batch, or None if more bytes are needed.

        Raises:
            TransferError: the bytes were damaged on their way.
            ProtocolError: they were not, but the batch is wrong or was not requested.
            DigestMismatchError: the batch is of another dataset.
        """
        try:
            batch = next(self._complete, None)
        except WireProtocolError as error:
            kind = self.exchange.violation if self.reader.sealed else self.exchange.damage
            raise kind(str(error)) from error
        if batch is None:
            return None
        if self._due is None:
            raise self.exchange.violation("a batch after the last one requested")
        self._check(batch, self._due)
        self._due = self._received.due = self._due.after_next()
        self.exchange.step = self._due.step if self._due else None
        packed = PackedBatch(batch, self._spec, self._received.bytes, self._memory, self._damaged)
        self._received.bytes = self._damaged = 0
        return packed

    def end(self) -> None:
        """Handle the end of the response. Raises `TransferError` if a batch is still due, or broken."""
        if self._due is None:
            return
        if self.reader.fault is not None:
            raise self.exchange.damage(str(self.reader.fault))
        where = "inside" if self.reader.incomplete else "before"
        what = "the requested batch" if self._due.step is None else f"the batch of step {self._due.step}"
        message = f"{self.exchange.name}: the response ended {where} {what}"
        raise TransferError(message, request_id=self.exchange.request_id)

    def settled(self, error: ClientError) -> bool:
        """Count an error of a response; return whether it can be ignored: the response broke after its last batch."""
        if isinstance(error, TransferError):
            self._damaged += error.damaged
        return self.done and isinstance(error, ServerUnavailableError | TransferError)

    def _check(self, batch: WireBatch, due: Request) -> None:
        header, violation = batch.header, self.exchange.violation
        if header.digest != self._spec.digest:
            raise self.exchange.mismatch("digest", self._spec.digest, header.digest)
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
            substitute = sample.recipe.substitute
            if substitute is not None and not self._spec.substitutes:
                raise self.exchange.mismatch("substitutes", "0", "1 or more")
            if substitute is not None and substitute >= self._spec.size:
                raise violation(f"sample {sample.position}: substitute {substitute}: expected an index of the dataset")
