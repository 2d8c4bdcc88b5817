"""The messages of a response and their encoder.

A response is a sequence of msgpack objects (UTF-8 strings, no extension types). One batch is

    header   {"type": "header", "protocol": 1, "digest": "…", "layout": "…", "augment": true,
              "count": n, "step": 12 or nil}
    sample   {"type": "sample", "position": 0 … n−1, "key": {"seed": …, "epoch": …, "index": …},
              "recipe": {"scale": …, "reference": …, "center": [y, x], "flip": …,
                         "jitter": [[name, gain], …], "lighting": [a, b, c],
                         "substitute": … if the image is not that of the key},
              "untagged": …, "arrays": {name: array, …}}                           n times, in request order
    trailer  {"type": "trailer", "status": "ok", "count": n, "digest": "xxh3_128 in hex"}

A stream is the concatenated batches of consecutive steps. The trailer's digest is XXH3 (128 bits) over all bytes of the
batch before the trailer. If a sample cannot be made, the last message of the response is

    error    {"type": "error", "problem": {"type": …, "title": …, "status": …, "detail": …, …}}

without a trailer, and the connection is closed early, so that no cache stores the response. A batch without its trailer
is an error, never a short batch.

`sampler.wire.array_format` describes the arrays, `sampler.array_table` lists them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import xxhash

from sampler.arrays import Arrays, Layout
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_format import encode_array

PROTOCOL = 1
MEDIA_TYPE = "application/x-msgpack"

FIELDS = {
    "header": ("type", "protocol", "digest", "layout", "augment", "count", "step"),
    "sample": ("type", "position", "key", "recipe", "untagged", "arrays"),
    "trailer": ("type", "status", "count", "digest"),
    "error": ("type", "problem"),
}
"""The fields of each type of message, in the order in which they are encoded."""

PayloadDigest = xxhash.xxh3_128
"""The running digest of a batch's header and samples."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a batch. step: of the stream; None for a batch by index."""

    digest: str
    layout: Layout
    augment: bool
    count: int
    step: int | None


@dataclass(frozen=True, slots=True)
class WireSample:
    """One sample as it is sent.

    position: in the batch, from 0. untagged: number of objects beyond `max_objects`, which have no tags. arrays: those
    of the array table of the layout, in its order.
    """

    position: int
    key: SampleKey
    recipe: Recipe
    untagged: int
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class WireBatch:
    """A complete, verified batch. The arrays of the samples are read-only.

    stacked: each array of fixed shape as one (count, …) array, of which the samples' arrays are the rows. The owner of
    the batch may write to them. Empty for a batch that was not received.
    """

    header: Header
    samples: tuple[WireSample, ...]
    stacked: Arrays = field(default_factory=dict, compare=False, repr=False)


def encode_header(header: Header) -> bytes:
    """Return the bytes of a header."""
    return _encode(
        "header", PROTOCOL, header.digest, header.layout, header.augment, header.count, header.step
    )  # fmt: skip


def encode_sample(sample: WireSample) -> bytes:
    """Return the bytes of a sample. `sampler.wire.sample_writer` writes the same bytes in place."""
    arrays = {name: encode_array(array) for name, array in sample.arrays.items()}
    recipe = sample.recipe.as_dict()
    return _encode("sample", sample.position, sample.key.as_dict(), recipe, sample.untagged, arrays)


def encode_trailer(count: int, digest: str) -> bytes:
    """Return the bytes of a trailer. digest: of the header and the samples, from `PayloadDigest`."""
    return _encode("trailer", "ok", count, digest)


def encode_error(problem: Mapping[str, Any]) -> bytes:
    """Return the bytes of an error message. problem: an RFC 9457 problem document."""
    return _encode("error", dict(problem))


def _encode(kind: str, *values: object) -> bytes:
    packed: bytes = msgpack.packb(dict(zip(FIELDS[kind], (kind, *values), strict=True)))
    return packed
