"""Reading from a server without the client package: plain HTTP and the wire reader."""

from collections.abc import Iterator

import httpx

from sampler.arrays import Layout
from sampler.wire.messages import WireBatch
from sampler.wire.reader import BatchReader
from sampler.wire.spec import ServiceSpec


def get_spec(url: str) -> ServiceSpec:
    """Return the server's spec."""
    return ServiceSpec.parse(httpx.get(f"{url}/v1/spec").raise_for_status().json())


def batches(url: str, query: str, layout: Layout = "compact") -> Iterator[WireBatch]:
    """Yield the batches of a response as they arrive."""
    spec = get_spec(url)
    reader = BatchReader(spec.config, spec.categories, layout)
    with httpx.stream("GET", f"{url}{query}&layout={layout}", timeout=60) as response:
        assert response.status_code == 200, response.read()
        for chunk in response.iter_raw():  # not in larger pieces: the last one would be lost with the connection
            yield from reader.feed(chunk)
    assert not reader.incomplete


def one_batch(url: str, query: str, layout: Layout = "compact") -> WireBatch:
    """Return the only batch of a response."""
    (batch,) = batches(url, f"/v1/batches?{query}", layout)
    return batch


def body(url: str, query: str) -> bytes:
    """Return the body of a batch response."""
    return httpx.get(f"{url}/v1/batches?{query}", timeout=60).raise_for_status().content
