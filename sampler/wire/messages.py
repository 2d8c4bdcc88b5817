"""The bytes of a response, and the encoder.

A response is a sequence of msgpack objects (UTF-8 strings, no extension types). One batch is

    header   {"type": "header", "protocol": 1, "digest": "…", "layout": "…", "augment": true,
              "count": n, "step": 12 or nil}
    sample   {"type": "sample", "position": 0 … n−1, "key": {"seed": …, "epoch": …, "index": …},
              "recipe": {"scale": …, "reference": …, "center": [y, x], "flip": …,
                         "jitter": [[name, gain], …], "lighting": [a, b, c]},
              "untagged": …, "arrays": {name: array, …}}                           n times, in request order
    trailer  {"type": "trailer", "status": "ok", "count": n, "digest": "xxh3_128 in hex"}

and a stream is batches of consecutive steps, one after another. The trailer's digest is XXH3 (128 bits) over
all bytes of the batch before the trailer. Where making a sample fails, the last object of the response is

    error    {"type": "error", "problem": {"type": …, "title": …, "status": …, "detail": …, …}}

and no trailer follows; the connection is broken off, so that no cache keeps the response. A batch without its trailer
is an error, never a short batch.

An array is the map that the msgpack-numpy package writes, with keys and kind as binary:

    {b"nd": true, b"type": "<f4", b"kind": b"", b"shape": [3, 255, 255], b"data": bytes}

in C order, little-endian. Which arrays there are is in `sampler.array_table`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import xxhash
from numpy.typing import NDArray

from sampler.arrays import Arrays, Layout
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey

PROTOCOL = 1
MEDIA_TYPE = "application/x-msgpack"


@dataclass(frozen=True, slots=True)
class Header:
    """What a batch is: the server's digest, the layout, how many samples, and the step if it was asked by seed."""

    digest: str
    layout: Layout
    augment: bool
    count: int
    step: int | None


@dataclass(frozen=True, slots=True)
class WireSample:
    """One sample as it travels. `untagged` counts objects past the room for tags."""

    position: int
    key: SampleKey
    recipe: Recipe
    untagged: int
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class WireBatch:
    """A whole batch whose trailer has been checked.

    stacks: arrays of fixed shape that lie beneath one another already, as (count, …) arrays by name, of which the
    samples' arrays are read-only rows; none where the batch did not come that way. They may be written by who owns
    the batch.
    """

    header: Header
    samples: tuple[WireSample, ...]
    stacks: Arrays = field(default_factory=dict, compare=False, repr=False)


def encode_header(header: Header) -> bytes:
    """Return the header's bytes."""
    return _pack(
        {
            "type": "header",
            "protocol": PROTOCOL,
            "digest": header.digest,
            "layout": header.layout,
            "augment": header.augment,
            "count": header.count,
            "step": header.step,
        }
    )


def encode_sample(sample: WireSample) -> bytes:
    """Return the sample's bytes. Arrays of any memory order and endianness leave in C order, little-endian."""
    return _pack(
        {
            "type": "sample",
            "position": sample.position,
            "key": sample.key.as_dict(),
            "recipe": sample.recipe.as_dict(),
            "untagged": sample.untagged,
            "arrays": {name: array_map(array) for name, array in sample.arrays.items()},
        }
    )


def encode_trailer(count: int, digest: str) -> bytes:
    """Return the trailer's bytes; `digest` is what `PayloadDigest` gives."""
    return _pack({"type": "trailer", "status": "ok", "count": count, "digest": digest})


def encode_error(problem: Mapping[str, Any]) -> bytes:
    """Return an error message's bytes. problem: an RFC 9457 problem document."""
    return _pack({"type": "error", "problem": dict(problem)})


def encode_batch(batch: WireBatch) -> bytes:
    """Return the bytes of a whole batch."""
    digest = PayloadDigest()
    parts = [encode_header(batch.header), *(encode_sample(sample) for sample in batch.samples)]
    for part in parts:
        digest.update(part)
    return b"".join([*parts, encode_trailer(len(batch.samples), digest.hex())])


class PayloadDigest:
    """The running digest over one batch's header and samples."""

    def __init__(self) -> None:
        """Start with no bytes."""
        self._hash = xxhash.xxh3_128()

    def update(self, payload: bytes | memoryview) -> None:
        """Add the bytes of one message."""
        self._hash.update(payload)

    def hex(self) -> str:
        """Return 32 hex digits."""
        return self._hash.hexdigest()


def array_map(array: NDArray[Any]) -> dict[bytes, Any]:
    """Return the map that stands for an array on the wire. Raises ValueError for object arrays."""
    if array.dtype.kind not in "iufb":
        raise ValueError(f"dtype {array.dtype}: expected plain numbers")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {b"nd": True, b"type": plain.dtype.str, b"kind": b"", b"shape": list(array.shape), b"data": plain.data}


def _pack(message: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed
