"""Requests for the annotations of images, and their responses. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from client.images import ImageInfo
from client.protocol.exchange import Exchange
from client.protocol.target import Target
from sampler.checks import require_integer
from sampler.errors import InvalidRequestError
from sampler.wire.spec import ServiceSpec

IMAGES_PER_REQUEST = 64
"""Bounds a response, as an image may have thousands of boxes."""

MAX_DOCUMENT_BYTES = 64 << 20
"""Largest accepted response: 8,000 boxes an image, at about 120 bytes each."""

BYTES_PER_ENTRY = 5
"""Least bytes for each comma and bracket of a response. Ours have 7 or more; parsed, empty lists take 20 times their
bytes."""

MIN_ENTRIES = 1 << 16
"""Responses with fewer are small in any case."""


@dataclass(frozen=True, slots=True)
class ImagesRequest:
    """The images at 1 to `IMAGES_PER_REQUEST` dataset indices, in that order."""

    indices: tuple[int, ...]

    def exchange(self, target: Target) -> Exchange:
        """Return the HTTP request."""
        named = replace(target, pixels=None).parameters  # annotations do not depend on pixels
        parameters = {"indices": ",".join(map(str, self.indices)), **named}
        return Exchange(
            "GET",
            f"{target.base_url}/v1/images?{urlencode(parameters, safe=',')}",
            media_type="application/json",
            digest=target.digest,
            largest_document=MAX_DOCUMENT_BYTES,
            proxy=target.proxy,
            host=target.host,
        )

    def parse(self, document: bytes, exchange: Exchange) -> tuple[ImageInfo, ...]:
        """Return the images of the response. Raises `ProtocolError` if it is no list of the requested images."""
        entries = sum(map(document.count, (b",", b"[", b"{")))
        if entries > MIN_ENTRIES and entries * BYTES_PER_ENTRY > len(document):
            raise exchange.violation(f"not a document of images: {entries} values in {len(document)} bytes")
        try:
            images = tuple([ImageInfo.parse(row) for row in exchange.parse(document)["images"]])
        except (KeyError, OverflowError, RecursionError, TypeError, ValueError, InvalidRequestError) as error:
            raise exchange.violation(f"not a document of images: {type(error).__name__}: {error}") from error
        found = tuple(image.index for image in images)
        if found != self.indices:
            raise exchange.violation(f"images {found[:8]} …: expected {self.indices[:8]} …, as requested")
        return images


def images_requests(indices: Iterable[int], spec: ServiceSpec) -> Iterator[ImagesRequest]:
    """Check dataset indices, then yield requests for them, in order.

    Raises:
        InvalidRequestError: a value is not an integer from 0 to N−1; it is named by its place.
    """
    try:
        given = tuple(indices)
    except TypeError as error:
        raise InvalidRequestError("indices", indices, "a list of integers") from error
    checked = tuple([require_integer(f"indices[{at}]", index, 0, spec.size - 1) for at, index in enumerate(given)])
    length = min(IMAGES_PER_REQUEST, spec.max_batch)
    return (ImagesRequest(checked[start : start + length]) for start in range(0, len(checked), length))
