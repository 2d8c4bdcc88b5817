"""What a client knows of its server. No I/O."""

import json
import threading
from urllib.parse import urlsplit

from client.protocol.delivery import Delivery
from client.protocol.exchange import Exchange
from client.protocol.requests import Request, require_layout
from sampler.arrays import Layout
from sampler.errors import InvalidRequestError
from sampler.memory.buffer_pool import BufferPool
from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec

HEADERS = {"User-Agent": f"saccade-sampler/{VERSION}", "Accept-Encoding": "identity"}
"""Sent with every request. Samples hardly compress, and decompression would cost the training node time."""


class Session:
    """The server's URL, the layout that batches travel in by default, and the spec of the first contact.

    It is shared by all threads and streams of a client.
    """

    def __init__(self, base_url: str, layout: Layout) -> None:
        """Raises `InvalidRequestError` for an invalid URL or layout."""
        self.base_url = _require_url(base_url)
        self.layout = require_layout(layout)
        self.spec: ServiceSpec | None = None
        self._memory = BufferPool()
        self._lock = threading.Lock()

    def ready_exchange(self) -> Exchange:
        """Return the request whose status says whether the server is ready."""
        return Exchange("GET", f"{self.base_url}/readyz")

    def spec_exchange(self) -> Exchange:
        """Return the request for the spec."""
        return Exchange("GET", f"{self.base_url}/v1/spec", media_type="application/json")

    def pin(self, document: bytes, exchange: Exchange) -> ServiceSpec:
        """Parse a spec and return the first one; the session holds on to it.

        Raises:
            ProtocolError: the document is no JSON.
            sampler.errors.ProtocolError: the document is no spec.
            DigestMismatchError: the digest differs from that of the first contact.
        """
        try:
            fields = json.loads(document)
        except (ValueError, RecursionError) as error:
            raise exchange.violation(f"not JSON: {error}") from error
        spec = ServiceSpec.parse(fields)
        with self._lock:
            self.spec = self.spec or spec
        if spec.digest != self.spec.digest:
            raise exchange.digest_mismatch(self.spec.digest, spec.digest)
        return self.spec

    def deliver(self, request: Request, spec: ServiceSpec) -> Delivery:
        """Return the delivery of a request's batches."""
        return Delivery(request, spec, self.base_url, self._memory)


def _require_url(base_url: str) -> str:
    """Return a base URL without a slash at its end. Raises `InvalidRequestError` unless it is http(s)://host."""
    expected = "a URL such as http://cpu-host:8000"
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidRequestError("base_url", base_url, expected) from error
    if not valid or parts.query or parts.fragment or any(letter.isspace() for letter in base_url):
        raise InvalidRequestError("base_url", base_url, expected)
    return base_url.rstrip("/")
