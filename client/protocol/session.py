"""The conversation with a server, without the I/O: what to ask next, and what to make of what comes.

`SamplerClient` and `AsyncSamplerClient` move bytes; everything they have in common is here.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from client.batches.batch import PackedBatch
from client.errors import ClientError, DigestMismatchError, ProtocolError, ServerUnavailableError, TransferError
from client.protocol.expected_keys import ExpectedKeys
from client.protocol.requests import Outgoing, Request, StreamRequest, require_layout
from client.protocol.responses import Place, refusal, require_type
from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.errors import ProtocolError as WireProtocolError
from sampler.memory.buffer_pool import RecycledMemory
from sampler.version import VERSION
from sampler.wire.messages import MEDIA_TYPE, WireBatch
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec

LARGEST_DOCUMENT = 16 << 20
"""Bytes of a document (a spec or a problem) past which it is refused."""

HEADERS = {"User-Agent": f"saccade-sampler/{VERSION}", "Accept-Encoding": "identity"}
"""Samples hardly compress, and the work would be the receiver's."""


def normal_url(base_url: str) -> str:
    """Return a base URL without a slash at its end. Raises `InvalidRequestError` for anything but http(s)://host."""
    expected = "a URL such as http://cpu-host:8000"
    try:
        parts = urlsplit(base_url)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidRequestError("base_url", base_url, expected) from error
    if not sound or parts.query or parts.fragment or any(letter.isspace() for letter in base_url):
        raise InvalidRequestError("base_url", base_url, expected)
    return base_url.rstrip("/")


class Contact:
    """What a client knows of its server: where it is, and the spec it gave at first contact.

    layout: how batches travel where a request does not say. memory: where batches lie, used again when they are gone.
    """

    def __init__(self, base_url: str, layout: Layout) -> None:
        """Raise `InvalidRequestError` for what is no URL of a server, or no layout."""
        self.base_url = normal_url(base_url)
        self.layout = require_layout(layout)
        self.memory = RecycledMemory()
        self._lock = threading.Lock()
        self._spec: ServiceSpec | None = None

    @property
    def spec(self) -> ServiceSpec | None:
        """The spec of first contact, or None before."""
        return self._spec

    def pin(self, spec: ServiceSpec) -> ServiceSpec:
        """Hold on to the first spec there is, and return it. Raises `DigestMismatchError` for another digest."""
        with self._lock:
            self._spec = self._spec or spec
        if spec.digest != self._spec.digest:
            raise mismatch(self._spec.digest, spec.digest, Place(f"GET {self.base_url}/v1/spec"))
        return self._spec


class Conversation(Protocol):
    """What both clients need to open an answer."""

    place: Place

    def outgoing(self) -> Outgoing:
        """Begin an attempt: return the HTTP request for what is still missing."""
        ...

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers of an answer with status 200."""
        ...


class Probe:
    """Asking whether the server is ready: its status says it all."""

    def __init__(self, base_url: str) -> None:
        """base_url: of the server."""
        self._outgoing = Outgoing("GET", f"{base_url}/readyz")
        self.place = Place(self._outgoing.place)

    def outgoing(self) -> Outgoing:
        """Begin an attempt."""
        return self._outgoing

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers: nothing hangs on them."""


class SpecDocument:
    """Reading the answer of `/v1/spec`."""

    def __init__(self, base_url: str) -> None:
        """base_url: of the server."""
        self._outgoing = Outgoing("GET", f"{base_url}/v1/spec")
        self.place = Place(self._outgoing.place)

    def outgoing(self) -> Outgoing:
        """Begin an attempt."""
        self.place.forget()
        return self._outgoing

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers. Raises `ProtocolError` for anything but JSON."""
        require_type(headers, "application/json", self.place)

    def parse(self, body: bytes) -> ServiceSpec:
        """Return the spec that the whole body holds. Raises `sampler.errors.ProtocolError` for anything else."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise WireProtocolError(f"not JSON: {error}") from error
        return ServiceSpec.parse(document)


class Body:
    """The bytes of a document, bounded."""

    def __init__(self, place: Place) -> None:
        """place: for the message."""
        self._place = place
        self._parts: list[bytes] = []
        self._room = LARGEST_DOCUMENT

    def add(self, chunk: bytes) -> None:
        """Take the next bytes. Raises `ProtocolError` when they are too many."""
        self._room -= len(chunk)
        if self._room < 0:
            message = f"{self._place.name}: a document of more than {LARGEST_DOCUMENT} bytes: expected fewer"
            raise ProtocolError(message, request_id=self._place.request_id)
        self._parts.append(chunk)

    def whole(self) -> bytes:
        """Return all bytes."""
        return b"".join(self._parts)

    def refusal(self, status: int, headers: Mapping[str, str]) -> ClientError:
        """Return the error that this body stands for."""
        return refusal(status, headers, self.whole(), self._place)


class Delivery:
    """The batches of one request, in order, each handed over once, however often the answer breaks.

        delivery.outgoing()      the HTTP request for the batches not handed over yet
        delivery.begin(headers)  an answer with status 200 has begun
        delivery.buffer()        where its next bytes belong
        delivery.advance(count)  that many have been put there; or `delivery.feed(chunk)` in place of both
        delivery.take()          the next whole and checked batch among them, or None: more bytes are needed
        delivery.end()           the answer ended

    `outgoing` begins again after an answer that broke.
    """

    def __init__(
        self, request: Request, spec: ServiceSpec, base_url: str, memory: RecycledMemory | None = None
    ) -> None:
        """spec: of first contact; every batch must be of its digest. memory: where batches are to lie."""
        self._memory = memory or RecycledMemory()
        self._base_url = base_url
        self._spec = spec
        self._due: Request | None = request
        if isinstance(request, StreamRequest) and request.empty:
            self._due = None
        self._expected = ExpectedKeys(spec)
        self._first: Outgoing | None = request.outgoing(base_url, spec.digest)
        self.place = Place(self._first.place, spec.digest)
        self.place.step = request.step
        self._reader = self._fresh_reader(request)
        self._whole: Iterator[WireBatch] = iter(())
        self._bytes = 0

    def _fresh_reader(self, request: Request) -> BatchReader:
        spec = self._spec
        return BatchReader(spec.config, spec.categories, request.layout, memory=self._memory)

    def _restart(self, request: Request) -> None:
        self.place.forget()
        self.place.step = request.step
        self._reader = self._fresh_reader(request)
        self._whole = iter(())
        self._bytes = 0

    @property
    def done(self) -> bool:
        """Whether every batch asked for has been handed over."""
        return self._due is None

    def outgoing(self) -> Outgoing:
        """Begin an attempt: return the HTTP request for what has not been handed over. Not to be called when done."""
        assert self._due is not None, "nothing is left to ask for"
        first, self._first = self._first, None
        if first is not None:
            return first
        self._restart(self._due)
        return self._due.outgoing(self._base_url, self._spec.digest)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers. Raises `ProtocolError` for anything but msgpack."""
        require_type(headers, MEDIA_TYPE, self.place)
        self.place.in_body = True

    def buffer(self) -> memoryview:
        """Return where the next bytes of the response belong. Call this when `take` has returned None."""
        return self._reader.buffer()

    def advance(self, count: int) -> None:
        """Say that `count` bytes were put into `buffer`."""
        self._bytes += count
        self._whole = self._reader.advance(count)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer; to be called when `take` has nothing more."""
        self._bytes += len(chunk)
        self._whole = self._reader.feed(chunk)

    def take(self) -> PackedBatch | None:
        """Return the next whole batch among the bytes there are, or None.

        Raises `ProtocolError` for a batch that is not what was asked for, `DigestMismatchError` for one of another
        digest, and what `BatchReader.feed` raises.
        """
        wire = next(self._whole, None)
        if wire is None:
            return None
        if self._due is None:
            raise self._violation("a batch after the last one asked for")
        self._check(wire, self._due)
        self._due = self._due.after_next()
        self.place.step = self._due.step if self._due else None
        packed = PackedBatch(wire, self._spec, self._bytes, self._memory)
        self._bytes = 0
        return packed

    def end(self) -> None:
        """Take note that the answer ended. Raises `TransferError` if a batch is still due."""
        if self._due is None:
            return
        where = "inside a batch" if self._reader.midway else "before"
        what = "the batch asked for" if self._due.step is None else f"the batch of step {self._due.step}"
        message = f"{self.place.name}: the answer ended {where}: expected {what}"
        raise TransferError(message, request_id=self.place.request_id)

    def settled(self, error: ClientError) -> bool:
        """Whether the answer broke only after every batch was handed over: then nothing is missing."""
        return self.done and isinstance(error, ServerUnavailableError | TransferError)

    def _check(self, wire: WireBatch, due: Request) -> None:
        header = wire.header
        if header.digest != self._spec.digest:
            raise mismatch(self._spec.digest, header.digest, self.place)
        if header.augment != due.augment:
            raise self._violation(f"augment = {header.augment}: expected {due.augment}, as asked")
        if header.step != due.step:
            raise self._violation(f"step {header.step}: expected step {due.step}")
        expected = self._expected.of(due)
        if len(wire.samples) != len(expected):
            raise self._violation(f"a batch of {len(wire.samples)} samples: expected {len(expected)}")
        for sample, key in zip(wire.samples, expected, strict=True):
            if sample.key != key:
                raise self._violation(f"sample {sample.position} is {sample.key}: expected {key}")

    def _violation(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self.place.name}: {what}", request_id=self.place.request_id)


def mismatch(expected: str, actual: str, place: Place) -> DigestMismatchError:
    """Return the error for a digest other than that of first contact."""
    message = f"{place.name}: digest {actual}: expected {expected}, as at first contact"
    return DigestMismatchError(message, request_id=place.request_id, expected=expected, actual=actual)
